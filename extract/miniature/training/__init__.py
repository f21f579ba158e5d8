"""Training the miniature's models from nothing, by the libraries' own architectures and losses.

Run once by `python -m extract.miniature.training OUT`; what it wrote is committed. One thread a process, so that a
seed means the same weights on the same machine.
"""
