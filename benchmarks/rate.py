"""How much is done in a second, by the clock."""

import time
from collections.abc import Callable

import torch
from lightning_fabric import Fabric

Work = Callable[[int], None]  # does so many steps

LEAST = 2  # steps measured


class Rate:
    """A measurement to be repeated: calling it works for a while and gives `amount` per second.

    amount: what one step does, such as pictures. The first call measures few steps, each further
    one as many as should take the seconds, by what the one before has shown; of several processes
    all take the same number. One more step, before, is not measured.
    """

    def __init__(self, fabric: Fabric, work: Work, amount: float, seconds: float) -> None:
        self.fabric, self.work, self.amount, self.seconds = fabric, work, amount, seconds
        self.steps = LEAST

    def __call__(self) -> float:
        self.work(1)
        start = self._clock()
        self.work(self.steps)
        step = (self._clock() - start) / self.steps
        self.steps = self.fabric.broadcast(max(LEAST, round(self.seconds / step)))
        return self.amount / step

    def _clock(self) -> float:
        """Seconds, when all that was asked of the device is done."""
        if self.fabric.device.type == "cuda":
            torch.cuda.synchronize(self.fabric.device)
        return time.perf_counter()
