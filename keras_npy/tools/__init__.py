"""The command keras-npy, a file for each verb."""
