"""Say in numbers what values are like: arrays in, numbers out."""
