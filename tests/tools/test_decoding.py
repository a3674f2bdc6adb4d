"""The limits of the process in which images from strangers are decoded."""

import asyncio
import signal
import subprocess
import sys

import numpy as np
import pytest
from pictures import encoded
from PIL import Image
from processes import wait_until
from tiny_pets import REPOSITORY

from pipeline.data.images import ImageError, Problem
from tools import decoding
from tools.decoding import decode_apart


def black(width, height):
    return encoded(Image.new("L", (width, height)))


SLOW = black(10_000, 10_000)  # a second


def decode(content, *longest_side):
    return asyncio.run(decode_apart(content, *longest_side))


def test_an_image_comes_reduced_and_with_the_size_that_it_had():
    image, size, kind = decode(black(60, 90), 30)
    assert (image.shape, size, kind) == ((30, 20, 3), (90, 60), "PNG")
    assert decode(black(60, 90)).image.shape == (90, 60, 3)


def test_what_takes_too_long_is_refused_and_so_is_no_image_but_the_next_is_decoded(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "MAX_WAIT", 0.001)
        with pytest.raises(ImageError, match="more time or memory") as caught:
            decode(SLOW)
    assert caught.value.problem == Problem.TOO_LARGE
    with pytest.raises(ImageError, match="not a picture") as caught:
        decode(b"?")
    assert caught.value.problem == Problem.NOT_AN_IMAGE
    assert not decode(black(2, 3)).image.any()


def test_a_pool_whose_idle_process_is_killed_is_replaced():
    decode(black(2, 3))
    pool = decoding._pool()
    [process] = pool._pool_manager.worker_manager.workers.values()
    process.kill()
    wait_until(lambda: not pool.active, seconds=60)
    assert np.shape(decode(black(2, 3)).image) == (3, 2, 3)


def test_processor_time_is_limited():
    code = """
import sys, tools.decoding as decoding
decoding.MAX_SECONDS = 0
decoding._decode(sys.stdin.buffer.read(), 10)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=REPOSITORY, input=SLOW, check=False)
    assert done.returncode == -signal.SIGXCPU
