"""Networks; one file each. Only `modules` loads torch, when a network is built."""

from napari_nucleate.core.architectures.unet import UNet

# The other networks join here, as a union discriminated by `kind`.
Architecture = UNet

__all__ = ["Architecture", "UNet"]
