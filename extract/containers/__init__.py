"""The files that hold images: folders, archives, arrays and lists, all read the same way."""
