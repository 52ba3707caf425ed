"""Finding what is stored: by one filter, by what it is about, and to be told as a story."""
