"""The root key, the one process that may use it, and the encrypted file that it opens.

`root.key` is made once, at the first start, by the operating system's randomness; everything else
is derived from it. Who loses it loses the way home: nothing here ever writes over one.
"""

import fcntl
import os
from pathlib import Path

import sqlcipher3

from appliance import keyed
from appliance.errors import Refusal, Unavailable
from appliance.store.files import keep_folder, sync_folder, write_all
from appliance.store.schema import BUSY_S, Connection, intact, is_damage, prepare

ROOT_KEY = "root.key"
VAULT_DB = "vault.db"
AUDIT_DB = "audit.db"
KEY_BYTES = 32
# Nobody but the vault's own user looks into its folder.
FOLDER_MODE = 0o700
KEY_MODE = 0o600


def keep_private_folder(folder: Path) -> None:
    """Make the vault's folder, durably, closed to everybody else."""
    keep_folder(folder)
    folder.chmod(FOLDER_MODE)


def locked(folder: Path) -> int:
    """Hold the folder for this process; give the handle back to `os.close`.

    Raises Unavailable while another process holds it: two starts at once never share a vault.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise Unavailable("the vault is open in another process: stop that one first") from None
    return handle


def root_key(folder: Path) -> bytes:
    """The device's root key; made, durable, at the first start. Needs the folder's lock.

    Raises `Refusal("D11")` when a file stands here that only a lost key could have made.
    """
    path = folder / ROOT_KEY
    present = {name for name in (ROOT_KEY, VAULT_DB, AUDIT_DB) if (folder / name).exists()}
    if ROOT_KEY not in present and present:
        raise Refusal(
            "D11", "root.key is missing beside the vault's files: restore it from the escrow"
        )
    if VAULT_DB not in present and AUDIT_DB in present:
        raise Refusal("D11", "vault.db is missing beside audit.db: restore both from one backup")
    if not present:
        _make(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise Refusal("D11", "root.key is damaged: restore it from the escrow")
    return key


def open_encrypted(path: Path, root: bytes) -> Connection:
    """The one writing connection of a SQLCipher file, every page checked.

    Raises `Refusal("D11")` when the key does not open the file or a page was changed.
    """
    connection: Connection = sqlcipher3.connect(
        str(path), timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    key = keyed.derived(root, "device", "vault").hex()
    try:
        # What it would print to stderr is said better by our own sentence.
        connection.execute("PRAGMA cipher_log_level = NONE").fetchone()
        connection.execute(f"PRAGMA key = \"x'{key}'\"").fetchone()
        prepare(connection)
        sound = intact(connection)
    except sqlcipher3.DatabaseError as error:
        connection.close()
        if is_damage(error):
            raise _shut(path) from None
        raise
    if not sound:
        connection.close()
        raise _shut(path)
    sync_folder(path.parent)
    return connection


def _shut(path: Path) -> Refusal:
    return Refusal("D11", f"{path.name} does not open with root.key: restore both from one backup")


def _make(path: Path) -> None:
    part = path.with_name(path.name + ".part")
    # Left by a crash before the rename: nothing was ever derived from it.
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, KEY_MODE)
    try:
        write_all(handle, os.urandom(KEY_BYTES))
        os.fsync(handle)
    finally:
        os.close(handle)
    part.rename(path)
    sync_folder(path.parent)
