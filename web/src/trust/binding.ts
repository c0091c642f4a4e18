/** That the channel is the one that was agreed upon: both certificates, under the key of the exchange. */
import { join, utf8, type Bytes } from './bytes';
import { hmac, hmacIs, sha256 } from './crypto';

/** SHA-256 over the certificate of each side. */
export interface Fingerprints { viewer: Bytes; camera: Bytes }

export function bindingMac(kbind: Bytes, prints: Fingerprints): Promise<Bytes> {
  return hmac(kbind, said('viewer', prints));
}

export function bindingHolds(kbind: Bytes, prints: Fingerprints, mac: Bytes): Promise<boolean> {
  return hmacIs(kbind, said('camera', prints), mac);
}

/** The fingerprint of a session description (RFC 8122): undefined where it has none, several, or one of another hash. */
export function fingerprintIn(sdp: string): Bytes | undefined {
  const found = new Set([...sdp.matchAll(/^a=fingerprint:(.*?)\s*$/gim)].map((m) => (m[1] ?? '').toLowerCase()));
  const [one = ''] = found;
  const hex = /^sha-256 ((?:[0-9a-f]{2}:){31}[0-9a-f]{2})$/.exec(one)?.[1];
  if (hex === undefined || found.size !== 1) return undefined;
  return Uint8Array.from(hex.split(':'), (x) => parseInt(x, 16));
}

export function fingerprintOf(certificate: BufferSource): Promise<Bytes> {
  const bytes = ArrayBuffer.isView(certificate)
    ? new Uint8Array(certificate.buffer, certificate.byteOffset, certificate.byteLength) : new Uint8Array(certificate);
  return sha256(new Uint8Array(bytes));
}

function said(by: 'viewer' | 'camera', { viewer, camera }: Fingerprints): Bytes {
  return join(utf8(`lunette/1 ${by}`), Uint8Array.of(0), viewer, camera);
}
