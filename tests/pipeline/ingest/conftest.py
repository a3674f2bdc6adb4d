import pytest
from file_server import BYTES, FileServer


@pytest.fixture
def url(server: FileServer) -> str:
    server.files["/a.tar"] = BYTES
    return f"{server.url}/a.tar"
