"""What `keras-npy check` looks for, a file for each thing it looks at."""
