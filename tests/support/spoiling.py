"""Packs spoilt at random, the way real ones are: by bytes, lines, cells, headers, files and the archive itself."""

import io
import zipfile
from collections.abc import Callable
from random import Random

Files = dict[str, bytes]

CELLS = (
    "", " ", '"', '""', '"\n', "\n", "\r\n", "\x00", "\ufeff", "\u202e", "x" * 300, "-1", "1e400", "nan", "٣", "½",
    "2026-13-45", "01/02/2026", "0000-00-00", "9999-99-99", "31.02.2026", "2026-09-01T99:99", "24:00", "true", "н/а",
    "зач", "tobedeleted", "active", "ext:", "ext:x", "absent", "bulk", "delta", "1.1", "1.2", "[1,2]", ",", ";", "\t",
    "=1+1", "д", "Ё" * 50, "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "1.5,5", "2027/2028", "5",
)  # fmt: skip
BYTES = (
    b"\x00",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\xd0",
    b'"',
    b"\n",
    b"\r",
    b",",
    b";",
    b"PK\x05\x06",
    b"\x1a",
)
ENCODINGS = ("utf-16", "utf-16-le", "utf-8-sig", "cp1251", "cp866", "utf-32", "koi8-r")


def spoil(files: Files, rng: Random) -> bytes:
    """An archive of the files after a few accidents; the same random source makes the same one."""
    spoilt = dict(files)
    for _ in range(rng.randint(1, 6)):
        rng.choice(_ON_FILES)(spoilt, rng)
    packed = _pack(spoilt, rng)
    return rng.choice(_ON_ARCHIVES)(packed, rng) if rng.random() < 0.15 else packed


def _pack(files: Files, rng: Random) -> bytes:
    target = io.BytesIO()
    packing = rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))
    folder = rng.choice(("", "", "pack/", "a/b/"))
    with zipfile.ZipFile(target, "w", packing, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(f"{folder}{name}", content)
    return target.getvalue()


def _some(files: Files, rng: Random) -> str:
    return rng.choice(sorted(files))


def _bytes(files: Files, rng: Random) -> None:
    name = _some(files, rng)
    content = bytearray(files[name])
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(content))
        what = rng.random()
        if what < 0.4:
            content[at : at + 1] = bytes([rng.randrange(256)])
        elif what < 0.7:
            content[at:at] = rng.choice(BYTES)
        elif what < 0.85:
            del content[at : at + rng.randint(1, 200)]
        else:
            content[at:at] = content[at : at + rng.randint(1, 400)]
    files[name] = bytes(content)


def _lines(files: Files, rng: Random) -> None:
    name = _some(files, rng)
    lines = files[name].split(b"\n")
    at = rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            lines.insert(at, lines[at])
        case 1:
            del lines[at]
        case 2:
            rng.shuffle(lines)
        case 3:
            lines[at] = lines[at][: rng.randint(0, len(lines[at]))]
        case 4:
            lines[at] += rng.choice((b",", b",,,", b",x", b'"', b"\r\r", b";;"))
        case _:
            lines.insert(at, rng.choice((b"", b" ", b",,,,", b"sep=;", b"\x00\x00", b'"', b"x" * 70_000)))
    files[name] = b"\n".join(lines)


def _cells(files: Files, rng: Random) -> None:
    name = _some(files, rng)
    lines = files[name].split(b"\n")
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(lines))
        cells = lines[at].split(b",")
        cells[rng.randrange(len(cells))] = rng.choice(CELLS).encode("utf-8", "surrogatepass")
        lines[at] = b",".join(cells)
    files[name] = b"\n".join(lines)


def _header(files: Files, rng: Random) -> None:
    name = _some(files, rng)
    head, _, rest = files[name].partition(b"\n")
    titles = head.split(b",")
    match rng.randrange(5):
        case 0:
            titles = [title.upper() for title in titles]
        case 1:
            rng.shuffle(titles)
        case 2:
            titles.append(rng.choice(titles))
        case 3:
            titles[rng.randrange(len(titles))] = rng.choice(CELLS).encode("utf-8", "surrogatepass")
        case _:
            del titles[rng.randrange(len(titles))]
    files[name] = b",".join(titles) + b"\n" + rest


def _whole_file(files: Files, rng: Random) -> None:
    name = _some(files, rng)
    match rng.randrange(6):
        case 0 if len(files) > 1:
            del files[name]
        case 1:
            files[f"{rng.randrange(9)}/{name.upper()}"] = files[name]
        case 2:
            text = files[name].decode("utf-8", "replace")
            files[name] = text.encode(rng.choice(ENCODINGS), "replace")
        case 3:
            files[name] = files[name].replace(b",", rng.choice((b";", b"\t", b"|")))
        case 4:
            files[name] = files[name].replace(b"\r\n", rng.choice((b"\r", b"\n", b"\n\n")))
        case _:
            files[rng.choice(("roles.csv", "users.csv", "manifest.csv", "__MACOSX/._x", "x.txt"))] = files[name]


def _cut(packed: bytes, rng: Random) -> bytes:
    return packed[: rng.randint(0, len(packed))]


def _flip(packed: bytes, rng: Random) -> bytes:
    content = bytearray(packed)
    for _ in range(rng.randint(1, 8)):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def _flip_directory(packed: bytes, rng: Random) -> bytes:
    content = bytearray(packed)
    start = max(0, packed.find(b"PK\x01\x02"))
    for _ in range(rng.randint(1, 6)):
        content[rng.randrange(start, len(content))] = rng.randrange(256)
    return bytes(content)


def _append(packed: bytes, rng: Random) -> bytes:
    return packed + rng.choice((b"\x00" * 30, b"PK\x05\x06", b"PK\x05\x06" + b"\x00" * 18, packed[-22:], packed))


_ON_FILES: tuple[Callable[[Files, Random], None], ...] = (_bytes, _lines, _lines, _cells, _cells, _header, _whole_file)
_ON_ARCHIVES: tuple[Callable[[bytes, Random], bytes], ...] = (_cut, _flip, _flip, _flip_directory, _append)
