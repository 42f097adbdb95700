"""A process that is forked while a thread reads, such as the one that reads ahead, reads too."""

from pathlib import Path

import numpy as np

from tests.processes import run_script

_FORK = """
    import os, signal, sys, threading
    import numpy as np
    from keras_npy import open_rows
    from keras_npy.files import shard_maps

    def read_in_a_child(rows):
        child = os.fork()
        if not child:
            signal.alarm(20)
            os._exit(rows.take(np.array([5, 1])).tolist() != [[5], [1]])
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def fork_while_a_thread_opens(rows):
        stat, is_opening, may_go_on = os.stat, threading.Event(), threading.Event()

        def slow_stat(path, *arguments, **named):
            if threading.current_thread() is thread:
                is_opening.set()
                may_go_on.wait(30)
            return stat(path, *arguments, **named)

        thread = threading.Thread(target=lambda: rows.take(np.array([3])))
        os.stat = slow_stat
        thread.start()
        is_opening.wait(30)
        ending = read_in_a_child(rows)
        os.stat = stat
        may_go_on.set()
        thread.join()
        return ending

    # As one array with gaps, one by one, and by position.
    print(fork_while_a_thread_opens(open_rows(f"{sys.argv[1]}/x-*.npy", io="map")))
    shard_maps.MAPS_MAX = 4
    print(fork_while_a_thread_opens(open_rows(f"{sys.argv[1]}/x-*.npy", io="map")))
    print(fork_while_a_thread_opens(open_rows(f"{sys.argv[1]}/x-*.npy", io="read")))
"""


def test_child_that_is_forked_while_a_thread_opens_a_shard_reads(tmp_path: Path) -> None:
    """The lock that the thread holds is open in the child, where no thread would release it."""
    for number in range(8):
        np.save(tmp_path / f"x-{number}.npy", np.array([[number]]))
    assert ["0"] * 3 == run_script(_FORK, tmp_path).splitlines()
