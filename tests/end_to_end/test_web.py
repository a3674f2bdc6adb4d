"""docs/web.md in a browser: the page of `make web`, served as it says, gives Python's masks."""

import hashlib
import json
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from browsers import open_browser, shown, wait
from pictures import encoded
from PIL import Image
from servers import free_port, wait_for
from tiny_pets import PETS, REPOSITORY

from pipeline.data.images import load_image, reduce_image
from pipeline.deploy.predictor import LONGEST_SIDE, Predictor
from pipeline.deploy.results import cut_out, opacity
from tools import web

pytestmark = pytest.mark.slow

COMPARED = 50
LARGE = (2600, 1500)  # width and height, above LONGEST_SIDE
[BLOCK] = re.findall(r"```sh\n(.*?)```", (REPOSITORY / "docs/web.md").read_text(), re.DOTALL)
WRITE, SERVE = BLOCK.splitlines()

# In the page: name, size and digest of each mask.
MASKS = """
const { results } = await import(new URL("page.js", location));
return Promise.all(results.map(async ({ file, reduced, mask }) =>
  [file.name, reduced, [...new Uint8Array(await crypto.subtle.digest("SHA-256", mask))]]));
"""
REDUCED = """
const { reducePhotograph, sizeWithin } = await import(new URL("pixels.js", location));
const [rgba, size, longest] = arguments, pixels = Uint8ClampedArray.from(rgba);
const read = (top, rows) => pixels.subarray(top * size[0] * 4, (top + rows) * size[0] * 4);
const target = sizeWithin(longest, ...size);
return [target, [...reducePhotograph(read, size, target)]];
"""
OPACITY = """
const { opacity } = await import(new URL("pixels.js", location));
return [...opacity(Uint8Array.from(arguments[0]), arguments[1], arguments[2])];
"""


@pytest.fixture(scope="module")
def site(clone):
    """The clone with the page. The runtime's package is fetched once for all clones; without
    npm's registry this fails, and says so.
    """
    package = web.fetch_package()
    folder = clone.root / ".cache/web"
    folder.mkdir(parents=True)
    shutil.copy(package, folder)
    assert "ort-wasm-simd-threaded.wasm" in clone.run(WRITE)
    return clone


@contextmanager
def served(site, command=SERVE):
    port = free_port()
    with site.running(f"exec {command} {port}"):
        wait_for(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def predictor(site):
    return Predictor(site.root / "web/model.onnx", threads=2)


def open_page(browser, address):
    browser.get(address)
    wait(browser, lambda: says(browser, "status", "ready"))


def says(browser, name, text):
    return text in "".join(each.text for each in shown(browser, f"#{name}"))


def run(browser, script, *arguments):
    browser.set_script_timeout(120)
    answer = "const done = arguments[arguments.length - 1];"
    wrapped = f"{answer} (async function () {{ {script} }}).apply(null, arguments).then(done)"
    return browser.execute_async_script(wrapped, *arguments)


def give(browser, *files):
    """Hand over the files; wait for as many more results."""
    before = len(run(browser, MASKS))
    shown(browser, "#files")[0].send_keys("\n".join(map(str, files)))
    wait(browser, lambda: len(run(browser, MASKS)) == before + len(files))
    wait(browser, lambda: not says(browser, "status", "Labelling"))


def described(name, mask):
    return [name, [*mask.shape[::-1]], [*hashlib.sha256(mask.tobytes()).digest()]]


def test_masks_are_pythons_nothing_is_asked_of_others_and_offline_all_goes_on(
    site, predictor, downloads
):
    expected = []
    for path in sorted((site.root / "data/pairs/images").iterdir())[:COMPARED]:
        image = load_image(path)
        Image.fromarray(image).save(downloads / f"{path.stem}.png")
        expected.append(described(f"{path.stem}.png", predictor(image)))
    noise = np.random.default_rng(0).integers(0, 256, (30, 52, 3), np.uint8)
    large = Image.fromarray(noise).resize(LARGE, Image.Resampling.BICUBIC)
    large.save(downloads / "large.png")
    mask = predictor(reduce_image(np.array(large), LONGEST_SIDE))
    assert max(mask.shape) == LONGEST_SIDE
    expected.append(described("large.png", mask))
    with open_browser(downloads) as browser:
        with served(site) as address:
            open_page(browser, address)
            assert browser.execute_script("return crossOriginIsolated")
            give(browser, *(downloads / name for name, *_ in expected))
            assert run(browser, MASKS) == expected
            assert len(shown(browser, "#gallery button")) == len(expected)
            assert asked_origins(browser) == {urlparse(address).netloc}
        # The server has ended.
        open_page(browser, address)
        give(browser, downloads / "large.png")
        assert run(browser, MASKS) == [expected[-1]]


def asked_origins(browser):
    """The hosts of all requests, of the page and of its workers."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert len(urls) > 5
    return {urlparse(url).netloc for url in urls} - {""}  # blob: and data: ask nobody


@pytest.fixture(scope="module")
def page(site, downloads):
    """The page below a path, as on GitHub Pages."""
    command = SERVE.replace("--directory web", "--directory .")
    with served(site, command) as address, open_browser(downloads) as browser:
        open_page(browser, f"{address}web/")
        yield browser


def test_the_cut_out_is_pythons_and_can_be_downloaded(site, page, predictor, downloads):
    path = next(each for each in sorted((site.root / "data/pairs/images").iterdir())
                if {0, 1} <= {*predictor(load_image(each)).flat})  # fmt: skip
    image = load_image(path)
    Image.fromarray(image).save(downloads / "one.png")
    give(page, downloads / "one.png")
    wait(page, shown(page, "#save-cut")[0].is_displayed)
    shown(page, "#save-cut")[0].click()
    wait(page, (downloads / "pet.png").exists)
    found = np.array(Image.open(downloads / "pet.png")).astype(int)
    expected = np.array(cut_out(image, predictor(image), predictor.classes)).astype(int)
    assert (found[..., 3] == expected[..., 3]).all()
    assert {0, 255} <= {*found[..., 3].flat}
    solid = (expected[..., 3] == 255) | (expected[..., 3] == 0)  # canvases round the others
    assert (found[solid] == expected[solid]).all()


def test_pixels_are_reduced_as_pillow_does_and_edges_fade_as_in_python(page):
    random = np.random.default_rng(1)
    image = random.integers(0, 256, (61, 97, 3), np.uint8)
    opaque = np.dstack([image, np.full((61, 97), 255, np.uint8)])
    for longest in (200, 97, 96, 40, 7):
        size, pixels = run(page, REDUCED, opaque.ravel().tolist(), [97, 61], longest)
        expected = reduce_image(image, longest)
        assert size == [*expected.shape[1::-1]]
        assert pixels == expected.ravel().tolist()
    roles = [entry.role for entry in PETS.entries]
    for odds in ([0.05, 0.05, 0.9], [0.5, 0.2, 0.3], [0, 0.5, 0.5], [1, 0, 0]):
        mask = random.choice(3, (45, 60), p=odds).astype(np.uint8)
        assert (
            run(page, OPACITY, mask.ravel().tolist(), 60, roles)
            == opacity(mask, PETS).ravel().tolist()
        )


def test_photographs_are_upright_and_what_is_none_is_named(page, downloads, predictor):
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned a quarter
    file = downloads / "turned.jpg"
    file.write_bytes(encoded(Image.new("RGB", (60, 40), "red"), "JPEG", exif=turned))
    give(page, file)
    assert run(page, MASKS)[-1][:2] == ["turned.jpg", [40, 60]]
    Path(downloads / "notes.txt").write_text("no picture")
    shown(page, "#files")[0].send_keys(str(downloads / "notes.txt"))
    wait(page, lambda: says(page, "errors", "notes.txt does not work"))
