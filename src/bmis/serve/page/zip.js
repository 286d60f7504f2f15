// A zip without compression: pictures are compressed already.

const TABLE = Uint32Array.from({ length: 256 }, (_, start) => {
  let value = start;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return ~value >>> 0;
}

// Fields that a local header and the directory share: version, UTF-8 names, stored, no time.
function common(file) {
  const view = new DataView(new ArrayBuffer(26));
  view.setUint16(0, 20, true);
  view.setUint16(2, 0x0800, true);
  view.setUint16(8, 0x21, true);
  view.setUint32(10, file.crc, true);
  view.setUint32(14, file.bytes.length, true);
  view.setUint32(18, file.bytes.length, true);
  view.setUint16(22, file.name.length, true);
  return new Uint8Array(view.buffer);
}

function signed(...numbers) {
  const view = new DataView(new ArrayBuffer(numbers.reduce((sum, [size]) => sum + size, 0)));
  let place = 0;
  for (const [size, value] of numbers) {
    if (size === 2) view.setUint16(place, value, true);
    else view.setUint32(place, value, true);
    place += size;
  }
  return new Uint8Array(view.buffer);
}

export async function zip(entries) {
  const parts = [], directory = [];
  let offset = 0, size = 0;
  for (const [name, blob] of entries) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const file = { name: new TextEncoder().encode(name), bytes, crc: crc32(bytes) };
    parts.push(signed([4, 0x04034b50]), common(file), file.name, bytes);
    directory.push(signed([4, 0x02014b50], [2, 20]), common(file), signed([2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), file.name);
    offset += 30 + file.name.length + bytes.length;
    size += 46 + file.name.length;
  }
  const count = directory.length / 4;
  const end = signed([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, size], [4, offset], [2, 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
