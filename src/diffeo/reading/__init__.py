"""What files of every kind of data have in common: plain arrays, and their parts."""
