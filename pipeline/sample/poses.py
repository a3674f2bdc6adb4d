"""How cats and dogs stand, sit, lie and look into the camera. For the units see figure.py."""

from collections.abc import Callable
from random import Random

from pipeline.sample.brush import Disc
from pipeline.sample.figure import Figure, leg, part, tail, trunk
from pipeline.sample.looks import Shape


def standing(shape: Shape, rng: Random) -> Figure:
    """On four legs, seen from the side, looking at us."""
    back, front, rear = -(shape.leg + 0.75), shape.length / 2, -shape.length / 2
    stride, limb = rng.uniform(-0.3, 0.3), shape.limb
    lift = rng.uniform(-0.12, 0.18)
    head = Disc(front + 0.75, back - 0.75 - shape.head * 0.75 + lift, shape.head)
    parts = [
        tail(shape, rear - 0.65, back - 0.35, rng),
        leg((rear + 0.35, back + 0.3, 0.6), rear + 0.3 - stride, limb, 0.1, far=True),
        leg((front - 0.15, back + 0.3, 0.5), front - 0.2 - stride, limb, far=True),
        trunk((rear, back, 0.86), (0, back + 0.06, 0.84), (front, back, 1.0)),
        part("body", (front + 0.05, back - 0.1, 0.9), (head.x - 0.1, head.y + 0.4, 0.62)),
        part("chest", (front + 0.6, back - 0.4, 0.4), (front + 0.65, back + 0.3, 0.38)),
        leg((rear, back + 0.2, 0.72), rear - 0.15 + stride, limb, 0.12),
        leg((front, back + 0.25, 0.55), front + 0.1 + stride, limb),
    ]
    return Figure(parts, head, rng.uniform(-0.15, 0.15))


def sitting(shape: Shape, rng: Random) -> Figure:
    """On the haunches, front legs upright, seen more or less from the side."""
    side = rng.uniform(0.5, 1.0)
    rump, chest, tall, limb = -0.75 * side, 0.35 * side, 1.5 + shape.leg * 0.5, shape.limb
    head = Disc(chest + 0.3 * side, -tall - 0.35 - shape.head * 0.85, shape.head)
    wrapped = part(
        "tail",
        (-1.4 * side, -0.4, 0.25),
        (-1.1 * side, -0.2, 0.2),
        (0, -0.12, 0.18),
        (0.5 * side, -0.1, 0.1),
        joined=0.3,
    )
    raised = tail(shape, rump - 0.7, -0.55, rng)
    parts = [
        leg((chest + 0.25, -tall + 0.5, 0.45), chest + 0.62, limb, 0.05, far=True),
        trunk((rump, -0.95, 1.0), (-0.25 * side, -1.35, 0.98), (chest, -tall, 0.82)),
        part("body", (chest, -tall, 0.78), (head.x, head.y + 0.3, 0.6)),
        part("chest", (chest + 0.25, -tall - 0.25, 0.42), (chest + 0.3, -tall + 0.5, 0.35)),
        leg((chest + 0.05, -tall + 0.5, 0.5), chest + 0.1, limb),
        part(
            "leg",
            (rump + 0.15, -0.85, 0.72),
            (rump + 0.5, -0.5, 0.45),
            (rump + 0.75, -limb * 0.8, limb * 0.95),
            (rump + 1.0, -limb * 0.75, limb * 0.95),
        ),
    ]
    around = shape.tail in ("cat", "plume") and rng.random() < 0.5
    return Figure([*parts, wrapped] if around else [raised, *parts], head, rng.uniform(-0.2, 0.2))


def facing(shape: Shape, rng: Random) -> Figure:
    """Sitting face to face with us."""
    tall, limb = 1.6 + shape.leg * 0.5, shape.limb * 1.1
    head = Disc(0, -tall - 0.35 - shape.head * 0.8, shape.head)
    parts = [
        part("tail", (-0.8, -0.4, 0.24), (-1.5, -0.25, 0.24), (-2.0, -0.5, 0.1), joined=0.0),
        trunk((0, -0.95, 1.08), (0, -tall, 0.82)),
        *(
            part(
                "leg",
                (side * 0.8, -0.75, 0.62),
                (side * 1.05, -0.3, limb),
                (side * 1.1, -limb * 0.75, limb),
            )
            for side in (-1, 1)
        ),
        part("body", (0, -tall, 0.8), (0, head.y + 0.3, 0.62)),
        *(
            part(
                "leg",
                (side * 0.42, -tall + 0.4, 0.42),
                (side * 0.4, -0.9, limb),
                (side * 0.38, -limb * 0.75, limb * 1.05),
            )
            for side in (-1, 1)
        ),
        part("chest", (0, -tall - 0.2, 0.48), (0, -tall + 0.55, 0.34)),
    ]
    return Figure(parts, head, rng.uniform(-0.22, 0.22))


def lying(shape: Shape, rng: Random) -> Figure:
    """Like a sphinx, front legs stretched out, the head raised or on the paws."""
    front, rear, limb = shape.length * 0.5, -shape.length * 0.5, shape.limb
    up = rng.uniform(0.0, 1.0)
    head = Disc(front + 0.9 - 0.35 * up, -shape.head * 0.85 - 0.25 - 1.1 * up, shape.head)
    parts = [
        tail(shape, rear - 0.7, -0.6, rng),
        part(
            "leg",
            (front + 0.1, -0.6, 0.4),
            (front + 1.1, -limb * 1.2, limb),
            (front + 1.75, -limb * 1.1, limb),
            far=True,
        ),
        trunk((rear, -0.88, 0.9), (0, -0.9, 0.88), (front, -0.95, 0.92)),
        part("body", (front, -1.0, 0.85), (head.x, head.y + 0.35, 0.62)),
        part("chest", (front + 0.5, -1.2, 0.42), (front + 0.55, -0.7, 0.36)),
        part(
            "leg",
            (rear + 0.2, -0.72, 0.7),
            (rear + 0.7, -0.35, 0.38),
            (rear + 1.2, -limb * 0.8, limb),
        ),
        part(
            "leg",
            (front, -0.5, 0.42),
            (front + 0.8, -limb * 0.9, limb),
            (front + 1.5, -limb * 0.8, limb * 1.05),
        ),
    ]
    return Figure(parts, head, rng.uniform(-0.2, 0.2))


def portrait(shape: Shape, rng: Random) -> Figure:
    """Head and shoulders; the rest is below the frame."""
    drop, aside = shape.head * 0.9, rng.uniform(0.0, 0.5)
    parts = [
        trunk((-aside * 2.5, drop + 2.2, 1.2), (-aside, drop + 1.3, 1.15), (0, drop + 0.2, 0.78)),
        part("leg", (-0.75, drop + 1.25, 0.5), (-0.85, drop + 3.2, 0.42)),
        part("leg", (0.72, drop + 1.25, 0.5), (0.7, drop + 3.2, 0.42)),
        part("body", (0, drop + 0.9, 0.9), (0, drop, 0.7)),
        part("chest", (0.05, drop + 0.2, 0.5), (0.05, drop + 1.4, 0.5)),
    ]
    cut = drop + rng.uniform(0.5, 1.7)
    return Figure(parts, Disc(0.05, 0, shape.head), rng.uniform(-0.25, 0.25), cut)


POSES: tuple[Callable[[Shape, Random], Figure], ...] = (standing, sitting, facing, lying, portrait)
