// A picture with few colours, for a repository.
import { createRequire } from 'node:module';
import path from 'node:path';
import { home } from './browser.mjs';

const UPNG = createRequire(path.join(home, 'package.json'))('upng-js');

export function small(png, colours = 48) {
  const picture = UPNG.decode(png);
  return Buffer.from(UPNG.encode(UPNG.toRGBA8(picture), picture.width, picture.height, colours));
}
