"""`python -m keras_npy` is the command `keras-npy`."""

import sys

from keras_npy.tools.cli import main

if __name__ == "__main__":
    sys.exit(main())
