"""A small IMAP server (RFC 9051's subset that one mailbox needs), over a real socket."""

import re
import socket
import threading
from typing import Any, Self


class ImapServer:
    """One mailbox for `bounces`/`secret`.

    Args:
        messages: what lies in it, with UIDs from 1.
    """

    def __init__(self, messages: list[bytes]) -> None:
        self._messages = dict(enumerate(messages, 1))
        self._flags: dict[int, set[str]] = {uid: set() for uid in self._messages}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.longest_fetch = 0
        self._thread = threading.Thread(target=self._serve, name="imap-server")

    def __enter__(self) -> Self:
        """Starts it."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops it."""
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"bye\r\n")
        self._thread.join(timeout=10)
        self._socket.close()

    def left(self) -> dict[int, set[str]]:
        """The flags of what is still there, by UID."""
        return dict(self._flags)

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection, connection.makefile("rwb") as stream:
                if not self._talk(stream):
                    return

    def _talk(self, stream: Any) -> bool:
        stream.write(b"* OK ready\r\n")
        stream.flush()
        for line in stream:
            if line == b"bye\r\n":
                return False
            tag, _, command = line.decode().strip().partition(" ")
            stream.write(self._answer(tag, command))
            stream.flush()
        return True

    def _answer(self, tag: str, command: str) -> bytes:
        words = command.upper().split()
        if words[0] == "CAPABILITY":
            return f"* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n".encode()
        if words[0] == "LOGIN":
            good = command.split()[1:] == ["bounces", '"secret"']
            return f"{tag} {'OK done' if good else 'NO login failed for bounces'}\r\n".encode()
        if words[0] == "SELECT":
            return f"* {len(self._messages)} EXISTS\r\n{tag} OK [READ-WRITE] done\r\n".encode()
        if words[:2] == ["UID", "SEARCH"]:
            unseen = " ".join(str(uid) for uid, flags in self._flags.items() if "\\Seen" not in flags)
            return f"* SEARCH {unseen}\r\n{tag} OK done\r\n".encode()
        if words[:2] == ["UID", "FETCH"]:
            return self._fetch(tag, int(words[2]), command)
        if words[:2] == ["UID", "STORE"]:
            for stored in words[2].split(","):
                self._flags[int(stored)] |= set(re.findall(r"\\\w+", command))
            return f"{tag} OK done\r\n".encode()
        if words[0] == "EXPUNGE":
            for uid in [one for one, flags in self._flags.items() if "\\Deleted" in flags]:
                del self._flags[uid], self._messages[uid]
            return f"{tag} OK done\r\n".encode()
        return f"{tag} BAD command\r\n".encode()

    def _fetch(self, tag: str, uid: int, command: str) -> bytes:
        found = re.search(r"<0\.(\d+)>", command)
        part = self._messages[uid][: int(found[1]) if found else None]
        self.longest_fetch = max(self.longest_fetch, len(part))
        head = f"* {uid} FETCH (UID {uid} BODY[]<0> {{{len(part)}}}\r\n".encode()
        return head + part + f")\r\n{tag} OK done\r\n".encode()
