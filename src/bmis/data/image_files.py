"""Which files of a folder are images."""

from pathlib import Path

from bmis.data.file_kinds import is_image_name
from bmis.data.not_read import no_images
from bmis.errors import DataError


def image_files(folder: Path, *, recursive: bool = False) -> list[Path]:
    """List the image files of a folder by their suffix, sorted, without hidden ones.

    What has such a name counts, even if it cannot be read: nothing drops out silently.

    Args:
        folder: Folder to look into.
        recursive: Whether to look into the folders below it too.

    Example:
        >>> len(image_files(Path("polyps/images"))), len(image_files(Path("polyps")))
        (12, 0)
    """
    found = folder.rglob("*") if recursive else folder.iterdir()
    return sorted(
        path
        for path in found
        if is_image_name(path)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.is_dir()
    )


def find_images(path: Path | str) -> list[Path]:
    """List the image files of a folder, sorted by name, or the one file itself.

    Args:
        path: Folder, or one file of any name.

    Raises:
        DataError: There is no such file or folder, or the folder holds no images.

    Example:
        >>> [file.name for file in find_images("polyps/images")][:2]
        ['endoscopy_0001.png', 'endoscopy_0002.png']
        >>> [file.name for file in find_images("photo.png")]
        ['photo.png']
    """
    path = Path(path)
    try:
        if not path.is_dir():
            path.lstat()
            return [path]
        files = image_files(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file or folder; check the path") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if not files:
        raise no_images(path)
    return files
