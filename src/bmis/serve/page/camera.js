// A camera as a live source. An endoscope or an ultrasound box with a frame grabber shows up as one.

import { segment } from "./engine.js";
import { say } from "./texts.js";

const QUALITY = 0.85; // of the JPEG that is sent
const MEMORY = 0.8; // weight of what was before in the mean time of a picture

export class Camera {
  #stream = null;

  get on() {
    return Boolean(this.#stream);
  }

  // Show picture after picture until it is stopped: show(bitmap, result, rate).
  async start(model, show) {
    const video = document.createElement("video");
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (error) {
      throw new Error(say("camera_failed", { why: error.message }));
    }
    video.muted = true;
    video.srcObject = this.#stream;
    await video.play();
    let mean = 0, before = performance.now();
    while (this.on) {
      const picture = await createImageBitmap(video);
      const answer = await segment(await jpeg(picture), model());
      const now = performance.now();
      mean = mean ? MEMORY * mean + (1 - MEMORY) * (now - before) : now - before;
      before = now;
      if (this.on) show(picture, { ...answer.pictures[0], state: "done" }, 1000 / mean);
    }
  }

  stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
  }
}

export function jpeg(picture) {
  const made = new OffscreenCanvas(picture.width, picture.height);
  made.getContext("2d").drawImage(picture, 0, 0);
  return made.convertToBlob({ type: "image/jpeg", quality: QUALITY });
}
