"""Small files of one JSON object that names its format. It must not know what the other members mean."""

from pathlib import Path

from evmthread.commit.members import Json
from evmthread.commit.records import check_object
from evmthread.errors import BackendError, InvalidInput
from evmthread.primitives.untrusted_json import parse_json

FORMAT_MEMBER = "format"


def read_json_file(
    path: str | Path, what: str, *, file_format: str, members: list[str], max_bytes: int
) -> dict[str, Json]:
    """The object in a file, which has exactly these members and this format; `what` names it in errors.

    Raises BackendError, DecodingError for what is no JSON, InvalidInput for another form.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise BackendError(f"{path}: {error.strerror}") from error
    if len(data) > max_bytes:
        raise InvalidInput(f"{path}: more than {max_bytes} bytes")
    value = parse_json(data)
    check_object(value, what, members)
    assert isinstance(value, dict)
    if value[FORMAT_MEMBER] != file_format:
        raise InvalidInput(f"{what}: format {value[FORMAT_MEMBER]!r} where {file_format!r} is wanted")
    return value
