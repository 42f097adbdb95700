"""The command keras-npy, with a file for each verb."""
