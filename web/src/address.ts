/** The page's own address: read once, and what must not stay in it taken out, of the history too. */
import { fragment, parseFragment, type Link } from './link';

export function takeLink(): Link {
  const link = parseFragment(location.hash);
  if (link.camera) {
    const clean = fragment({ camera: link.camera, meter: link.meter });
    if (clean !== location.hash) history.replaceState(history.state, '', clean);
  }
  return link;
}

/** The page's address without a fragment. */
export function pageUrl(): string {
  return location.href.replace(/#.*$/, '');
}
