"""The page as people use it: in a browser, from `streamlit run` to the downloaded file."""

import shutil
import sys
from urllib.parse import urlparse

import numpy as np
import psutil
import pytest
from browsers import open_browser, requested_urls, shown, wait
from mlflow_workspace import make_workspace
from pictures import heic
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from servers import started
from tiny_models import BACKGROUND, BLUE, PET, RED, write_traffic_light
from tiny_pets import REPOSITORY

pytestmark = pytest.mark.slow

SIZE = (120, 80)  # width, height
FILE_INPUT = "[data-testid=stFileUploaderDropzoneInput]"

PASTE = """
const canvas = document.createElement("canvas");
[canvas.width, canvas.height] = [70, 50];
canvas.toBlob((picture) => {
  const clipboard = new DataTransfer();
  clipboard.items.add(new File([picture], "image.png", { type: "image/png" }));
  document.body.dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: clipboard, bubbles: true, cancelable: true }));
});
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The page in a workspace with an exported model, started as `make app` does."""
    command = [sys.executable, "-m", "streamlit", "run", str(REPOSITORY / "tools/app.py")]
    with pytest.MonkeyPatch.context() as patch:
        workspace = make_workspace(tmp_path_factory.mktemp("workspace"), patch)
        write_traffic_light(workspace / "models/model.onnx")
        shutil.copytree(REPOSITORY / ".streamlit", workspace / ".streamlit")
        command.append("--server.port")
        with started(command, "_stcore/health") as running:
            yield running


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(downloads):
    """One for all tests, which saves what it downloads in the folder."""
    with open_browser(downloads) as running:
        yield running


@pytest.fixture
def page(browser, server):
    browser.get(server.uri)
    wait(browser, lambda: shown(browser, FILE_INPUT) and shown(browser, "[data-testid=stExpander]"))
    return browser


def says(browser, text):
    return text in browser.find_element(By.TAG_NAME, "body").text


def give(browser, file):
    shown(browser, FILE_INPUT)[0].send_keys(str(file))


def photograph(folder):
    """Left half red, which is pet to the model; right half blue, which is not."""
    picture = Image.new("RGB", SIZE, RED)
    picture.paste(BLUE, (SIZE[0] // 2, 0, *SIZE))
    picture.save(folder / "photograph.png")
    return folder / "photograph.png"


def download(browser, label, file):
    """Press the button; return what it saved."""
    [button] = [each for each in shown(browser, "button") if each.text.endswith(label)]
    button.click()
    wait(browser, file.exists)
    return Image.open(file)


def picture(browser, caption, what):
    """An attribute of the picture above the caption; None until it is there."""
    script = """return Array.from(document.querySelectorAll("[data-testid=stImage]"))
      .filter((each) => each.textContent.includes(arguments[0]))
      .map((each) => each.querySelector("img"))
      .filter((image) => image.naturalWidth)
      .map((image) => image[arguments[1]])[0]"""
    return browser.execute_script(script, caption, what)


def test_an_uploaded_photograph_is_shown_and_its_pet_can_be_downloaded(page, downloads):
    give(page, photograph(downloads))
    wait(page, lambda: says(page, "pet 50.0%") and says(page, "120x80 pixels"))
    for caption in ("Overlay", "Cut-out", "Mask"):
        wait(page, lambda caption=caption: picture(page, caption, "src"))
    assert not shown(page, "img:not([alt]), img[alt='']")

    cut = download(page, "Download the cut-out", downloads / "pet.png")
    assert (cut.format, cut.mode, cut.size) == ("PNG", "RGBA", SIZE)
    alpha = np.array(cut)[..., 3]
    assert (alpha[:, :60] == 255).all()
    assert (alpha[:, 60:] == 0).all()

    mask = np.array(download(page, "Download the mask", downloads / "mask.png"))
    assert (mask[:, :60] == PET).all()
    assert (mask[:, 60:] == BACKGROUND).all()

    before = {caption: picture(page, caption, "src") for caption in ("Overlay", "Mask")}
    [slider] = wait(page, lambda: shown(page, "[data-testid=stSlider] input"))
    page.execute_script("arguments[0].focus()", slider)
    ActionChains(page).send_keys(Keys.END).perform()
    wait(page, lambda: says(page, "100 %"))
    wait(page, lambda: picture(page, "Overlay", "src") not in (None, before["Overlay"]))
    assert picture(page, "Mask", "src") == before["Mask"]  # the slider changes the overlay alone


def test_a_picture_from_the_clipboard_is_taken_wherever_it_is_pasted(page):
    page.execute_script(PASTE)
    wait(page, lambda: says(page, "70x50 pixels"))


def test_a_telephones_heic_is_taken(page, tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(heic(np.full((80, 120, 3), RED, np.uint8), orientation=6))
    give(page, tmp_path / "IMG_1.HEIC")
    wait(page, lambda: says(page, "80x120 pixels") and says(page, "pet 100.0%"))


def test_a_file_that_is_too_large_gets_a_sentence(page, tmp_path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(51 * 2**20)
    give(page, tmp_path / "huge.png")
    wait(page, lambda: says(page, "must be 50.0MB or smaller"))


def test_the_page_listens_on_this_machine_and_asks_no_other(server, page, tmp_path):
    connections = psutil.Process(server.process.pid).net_connections()
    listening = {each.laddr for each in connections if each.status == "LISTEN"}
    assert listening == {("127.0.0.1", urlparse(server.uri).port)}
    give(page, photograph(tmp_path))
    wait(page, lambda: picture(page, "Overlay", "src"))
    asked = requested_urls(page)
    assert len(asked) > 10
    assert {urlparse(each).hostname for each in asked} <= {"127.0.0.1", None}  # None: data, blobs
