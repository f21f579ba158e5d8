"""Numbers made elsewhere become units of the store: read a file, match its rows with samples, commit."""
