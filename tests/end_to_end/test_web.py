"""docs/web.md in a browser: the page of `make web` gives Python's masks, offline too."""

import base64
import hashlib
import io
import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from browsers import open_browser, requested_urls, shown, wait
from pictures import encoded
from PIL import Image
from servers import started
from tiny_models import random_network
from tiny_pets import PETS, REPOSITORY

from pipeline.data.classes import to_metadata
from pipeline.data.images import decode_image, load_image, reduce_image
from pipeline.data.settings import Normalisation
from pipeline.deploy.int8 import export_int8
from pipeline.deploy.onnx_export import export_onnx
from pipeline.deploy.predictor import LONGEST_SIDE, Predictor
from pipeline.deploy.results import cut_out, opacity
from pipeline.model.settings import ModelConfig, ModelParams
from pipeline.records.models import ModelFile
from pipeline.sample.archives import draw_files
from pipeline.sample.looks import breeds
from pipeline.scoring.segmenter import Segmenter
from tools import web

pytestmark = pytest.mark.slow

PICTURES = 50
LARGE = (2600, 1500)  # width and height, above LONGEST_SIDE
CONFIG = ModelConfig(ModelParams(features=(8, 16, 32)), PETS, 96, Normalisation())
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
DIFFERENT = """
const { results } = await import(new URL("page.js", location));
const texts = arguments[0].map(atob);
return results.map(({ mask }, place) =>
  mask.filter((id, pixel) => id !== texts[place].charCodeAt(pixel)).length / mask.length);
"""
OPACITY = """
const { opacity } = await import(new URL("pixels.js", location));
return [...opacity(Uint8Array.from(arguments[0]), arguments[1], arguments[2])];
"""


@pytest.fixture(scope="module")
def package():
    """The runtime, fetched once. Without npm's registry this fails, and says so."""
    return web.fetch_package()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of pictures as files without losses, where the browser puts its downloads, too."""
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def pictures(folder):
    """Some of the sample, and a large one that is reduced first."""
    drawn = ((breeds()[number % 37], 1 + number // 37) for number in range(PICTURES))
    arrays = [decode_image(io.BytesIO(draw_files(0, (250, 200), each)[1])) for each in drawn]
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 52, 3), np.uint8))
    arrays.append(np.array(noise.resize(LARGE, Image.Resampling.BICUBIC)))
    files = [folder / f"{number:02}.png" for number in range(len(arrays))]
    for file, array in zip(files, arrays, strict=True):
        Image.fromarray(array).save(file)
    return files


@pytest.fixture(scope="module")
def models(folder, pictures):
    """A network that predicts each class somewhere, in both precisions."""
    network = random_network(CONFIG.model, CONFIG.image_size)
    files = folder / "model.onnx", folder / "model.int8.onnx"
    export_onnx(files[0], Segmenter(network, CONFIG).eval(), to_metadata(PETS))
    export_int8(files[1], files[0], map(load_image, pictures[:16]))
    return files


@contextmanager
def served(command, place):
    command = [sys.executable, *command.split()[1:], "{port}"]
    with started(command, "", cwd=place) as server:
        yield f"{server.uri}/"


def open_page(browser, address):
    browser.get(address)
    wait(browser, lambda: says(browser, "status", "ready"))


def says(browser, name, text):
    return text in browser.execute_script(
        f"return document.getElementById('{name}')?.textContent ?? ''"
    )


def run(browser, script, *arguments):
    browser.set_script_timeout(120)
    body = f"(async function () {{ {script} }}).apply(null, arguments)"
    return browser.execute_async_script(f"{body}.then([...arguments].at(-1))", *arguments)


def give(browser, *files):
    """Hand over the files; wait for as many more results."""
    before = len(run(browser, MASKS))
    shown(browser, "#files")[0].send_keys("\n".join(map(str, files)))
    wait(browser, lambda: len(run(browser, MASKS)) == before + len(files), 300)
    wait(browser, lambda: not says(browser, "status", "Labelling"))


def asked_hosts(browser):
    """The hosts of all requests."""
    urls = requested_urls(browser)
    assert len(urls) > 5
    return {urlparse(url).netloc for url in urls if not url.startswith(("blob:", "data:"))}


@pytest.mark.parametrize("precision", [0, 1], ids=["fp32", "int8"])
def test_masks_are_pythons_nothing_is_asked_of_others_and_offline_all_goes_on(
    models, precision, package, pictures, tmp_path
):
    predictor = Predictor(models[precision], threads=2)
    expected, masks, ids = [], [], set()
    for file in pictures:
        mask = predictor(reduce_image(load_image(file), LONGEST_SIDE))
        ids |= {*mask.flat}
        masks.append(base64.b64encode(mask.tobytes()).decode())
        digest = hashlib.sha256(mask.tobytes()).digest()
        expected.append([file.name, [*mask.shape[::-1]], [*digest]])
    assert ids == {0, 1, 2}
    assert max(expected[-1][1]) == LONGEST_SIDE
    web.write_site(tmp_path / "web", ModelFile(models[precision], "ours"), package)
    with open_browser(tmp_path) as browser:
        with served(SERVE, tmp_path) as address:
            open_page(browser, address)
            assert browser.execute_script("return crossOriginIsolated"), "else there are no threads"
            give(browser, *pictures)
            found = run(browser, MASKS)
            assert [each[:2] for each in found] == [each[:2] for each in expected]
            if precision == 0:
                assert found == expected
            # INT8 turns last bits, in which WebAssembly's floats differ, into steps.
            assert max(run(browser, DIFFERENT, masks)) < 0.005
            assert len(shown(browser, "#gallery button")) == len(pictures)
            assert asked_hosts(browser) == {urlparse(address).netloc}
        # The server has ended.
        open_page(browser, address)
        give(browser, pictures[0])
        assert run(browser, MASKS) == found[:1]


@pytest.fixture(scope="module")
def page(models, package, folder, tmp_path_factory):
    """The page below a path, as on GitHub Pages."""
    place = tmp_path_factory.mktemp("site")
    web.write_site(place / "pets/web", ModelFile(models[0], "ours"), package)
    with served(SERVE.replace(" web", " ."), place) as address, open_browser(folder) as browser:
        open_page(browser, f"{address}pets/web/")
        yield browser


def test_the_cut_out_is_pythons_and_can_be_downloaded(page, models, pictures, folder):
    give(page, pictures[0])
    wait(page, shown(page, "#save-cut")[0].is_displayed)
    shown(page, "#save-cut")[0].click()
    wait(page, (folder / "pet.png").exists)
    found = np.array(Image.open(folder / "pet.png"))
    image, predictor = load_image(pictures[0]), Predictor(models[0], threads=1)
    expected = np.array(cut_out(image, predictor(image), predictor.classes))
    alpha = expected[..., 3]
    assert (found[..., 3] == alpha).all()
    assert {0, 255} < {*alpha.flat}
    unmixed = (alpha == 255) | (alpha == 0)  # of the others, canvases round the colours
    assert (found[unmixed] == expected[unmixed]).all()


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
        expected = opacity(mask, PETS).ravel().tolist()
        assert run(page, OPACITY, mask.ravel().tolist(), 60, roles) == expected


def test_photographs_are_upright_and_what_is_none_is_named(page, folder):
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned a quarter
    file = folder / "turned.jpg"
    file.write_bytes(encoded(Image.new("RGB", (60, 40), "red"), "JPEG", exif=turned))
    give(page, file)
    assert run(page, MASKS)[-1][:2] == ["turned.jpg", [40, 60]]
    Path(folder / "notes.txt").write_text("no picture")
    shown(page, "#files")[0].send_keys(str(folder / "notes.txt"))
    wait(page, lambda: says(page, "errors", "notes.txt does not work"))


def test_the_pages_commands_publish_the_champion(clone, package, tmp_path):
    (clone.root / ".cache/web").mkdir(parents=True, exist_ok=True)
    shutil.copy(package, clone.root / ".cache/web")
    assert re.search(r"^web: version 1 .*@champion", clone.run(WRITE), re.MULTILINE)
    with served(SERVE, clone.root) as address, open_browser(tmp_path) as browser:
        open_page(browser, address)
        assert says(browser, "title", "Pet segmentation")
        assert says(browser, "facts", "drawings")
        assert says(browser, "facts", "mean IoU")
