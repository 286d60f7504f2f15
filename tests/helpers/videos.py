"""Small videos."""

import av
import numpy as np


def write_video(path, *, frames=6, codec="mpeg4", size=(48, 64)):
    """Frames of one grey each, brighter from frame to frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for index in range(frames):
            pixels = np.full((*size, 3), 30 * (index % 6 + 1), np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
