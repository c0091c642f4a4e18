/** A link as a QR code, drawn as one path. */
import { encode } from 'uqr';

const QUIET = 3; // modules around it

export function qr(text: string, label: string): SVGSVGElement {
  const { data, size } = encode(text, { ecc: 'L', border: QUIET });
  let d = '';
  data.forEach((row, y) => row.forEach((dark, x) => { if (dark) d += `M${x} ${y}h1v1h-1z`; }));
  const make = <K extends keyof SVGElementTagNameMap>(tag: K, attributes: Record<string, string>): SVGElementTagNameMap[K] => {
    const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    return e;
  };
  const svg = make('svg', { viewBox: `0 0 ${size} ${size}`, class: 'qr', role: 'img', 'aria-label': label, 'shape-rendering': 'crispEdges' });
  svg.append(make('path', { d: `M0 0h${size}v${size}h-${size}z`, fill: '#fff' }), make('path', { d, fill: '#000' }));
  return svg;
}
