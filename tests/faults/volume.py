"""A folder of files that are replaced together, as the kubelet does it with Secrets and ConfigMaps."""

import os
import pathlib
import shutil


class Volume:
    """Each name is a symbolic link to `..data/NAME`, and `..data` one to the folder of the present generation."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.generation = 0

    def __truediv__(self, name):
        return self.path / name

    @property
    def present(self):
        """The folder of the present generation."""
        return self.path / os.readlink(self / "..data")

    def swap(self, files):
        """Replaces all files, given as texts by name, by one rename; only the owner may read them."""
        old = self.present if (self / "..data").is_symlink() else None
        self.generation += 1
        new = self / f"..generation_{self.generation}"
        new.mkdir(parents=True)
        for name, text in files.items():
            (new / name).write_text(text)
            (new / name).chmod(0o600)
        (self / "..data_tmp").symlink_to(new.name)
        (self / "..data_tmp").rename(self / "..data")
        for name in files:
            if not (self / name).is_symlink():
                (self / name).symlink_to(f"..data/{name}")
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)


class ServerVolume(Volume):
    """Configuration and keys of a server that has not started yet."""

    def __init__(self, cluster, server):
        super().__init__(cluster.folder / f"{server.name}.volume")
        text = (cluster.folder / f"{server.name}.yaml").read_text()
        self.text = text.replace(f'"{cluster.keys}"', f'"{self / "keys.yaml"}", signing_key: SIGNING')
        server.argv[1] = f"--config={self / 'server.yaml'}"

    def config(self, signing):
        return self.text.replace("SIGNING", signing)

    def use(self, keys, signing):
        """Swaps to these secrets by key, of which `signing` signs."""
        self.swap({"server.yaml": self.config(signing), "keys.yaml": key_file(keys)})


def key_file(keys):
    return "".join(f"{key}: {secret}\n" for key, secret in keys.items())
