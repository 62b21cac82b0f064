"""Something that is done again and again beside what a scenario does."""

import threading
import time


class Background:
    """Does `step` every so many seconds in a thread of its own, while in use by `with`."""

    def __init__(self, seconds, step):
        self.seconds = seconds
        self.step = step
        self.error = None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        next_time = time.monotonic()
        try:
            while not self.stopping.wait(max(0, next_time - time.monotonic())):
                self.step()
                next_time += self.seconds
        except Exception as error:  # told by the thread that waits
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def check(self):
        if self.error is not None:
            raise self.error
