"""How each kind of named figure is made: which rows, which panels. Two papers show the same; it is written once."""
