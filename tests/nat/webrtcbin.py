#!/usr/bin/python3
"""GStreamer's webrtcbin as a sender of the same kind of picture, for comparison: `webrtcbin.py WIDTHxHEIGHT FPS KBITS`.

Reads an offer and candidates as lines of JSON, {"offer": SDP} and {"candidate": …, "line": 0}, and writes {"answer": SDP} and
candidates. The picture has the stamp of docs/test-card.md and a window of noise. NACK and RTX are on; the rate is fixed,
since what would adapt it (rtpgccbwe) is not in Debian's GStreamer. One slice a picture, as from Lunette."""
import json, os, re, sys, threading, time

import gi

gi.require_version('Gst', '1.0')
gi.require_version('GstWebRTC', '1.0')
gi.require_version('GstSdp', '1.0')
from gi.repository import GLib, Gst, GstSdp, GstWebRTC

Gst.init(None)
W, H = map(int, sys.argv[1].split('x'))
FPS, KBITS = int(sys.argv[2]), int(sys.argv[3])
lock = threading.Lock()


def say(**message):
    with lock:
        print(json.dumps(message), flush=True)


class Card:
    """A grey picture with a stamp row on top, and noise in a window in the middle."""
    ROWS, CELLS = 32 if H >= 480 else 16, 40

    def __init__(self):
        self.picture = bytearray(b'\x60' * (W * H) + b'\x80' * (W * H // 2))
        self.edges = [k * W // self.CELLS for k in range(self.CELLS + 1)]

    def draw(self):
        ms = int(time.time() * 1000) & 0xFFFFFFFF
        check = 0
        for nibble in range(8):
            check ^= ms >> 4 * nibble & 15
        bits = f'10{ms:032b}{check:04b}10'
        row = b''.join((b'\xeb' if bit == '1' else b'\x10') * (self.edges[k + 1] - self.edges[k]) for k, bit in enumerate(bits))
        self.picture[:W * self.ROWS] = row * self.ROWS
        for y in range(H // 2, H * 3 // 4):
            self.picture[y * W + W // 4:y * W + W * 3 // 4] = bytes(0x60 + (b & 0x3F) for b in os.urandom(W // 16)) * 8
        return bytes(self.picture)


pipe = Gst.parse_launch(
    f'webrtcbin name=peer bundle-policy=max-bundle latency=0 '
    f'appsrc name=card is-live=true do-timestamp=true format=time max-buffers=2 leaky-type=downstream '
    f'caps=video/x-raw,format=I420,width={W},height={H},framerate={FPS}/1 ! '
    f'x264enc tune=zerolatency speed-preset=ultrafast sliced-threads=false key-int-max={FPS * 2} bitrate={KBITS} ! '
    f'video/x-h264,profile=constrained-baseline ! rtph264pay name=pay config-interval=-1 aggregate-mode=zero-latency mtu=1200 ! '
    f'capsfilter name=caps ! peer.')
peer, loop = pipe.get_by_name('peer'), GLib.MainLoop()


def feed():
    card, source, start, n = Card(), pipe.get_by_name('card'), time.monotonic(), 0
    while True:
        wait = start + n / FPS - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        n += 1
        source.emit('push-buffer', Gst.Buffer.new_wrapped(card.draw()))


def answered(promise):
    reply = promise.get_reply()  # owns the answer
    answer = reply.get_value('answer')
    peer.emit('set-local-description', answer, Gst.Promise.new())
    say(answer=answer.sdp.as_text())


def heard(message):
    if 'offer' in message:
        sdp = message['offer']
        # webrtcbin does not renumber: the payloader takes the number that the browser gave to what we send.
        numbers = re.findall(r'a=rtpmap:(\d+) H264/90000', sdp)
        fits = [n for n in numbers if re.search(rf'a=fmtp:{n} .*packetization-mode=1.*profile-level-id=42e01f', sdp)]
        number = int((fits or numbers)[0])
        caps = f'application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload={number}'
        pipe.get_by_name('caps').set_property('caps', Gst.Caps.from_string(caps))
        pipe.get_by_name('pay').set_property('pt', number)
        peer.emit('get-transceiver', 0).set_property('do-nack', True)
        pipe.set_state(Gst.State.PLAYING)
        threading.Thread(target=feed, daemon=True).start()
        _, parsed = GstSdp.SDPMessage.new_from_text(sdp)
        offer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.OFFER, parsed)
        promise = Gst.Promise.new_with_change_func(
            lambda *_: peer.emit('create-answer', None, Gst.Promise.new_with_change_func(answered)))
        peer.emit('set-remote-description', offer, promise)
    elif message.get('candidate'):
        peer.emit('add-ice-candidate', message.get('line') or 0, message['candidate'])
    return False


def failed(_, message):
    print('webrtcbin.py:', *message.parse_error(), file=sys.stderr, flush=True)
    loop.quit()


def read():
    for line in sys.stdin:
        GLib.idle_add(heard, json.loads(line))
    loop.quit()


peer.connect('on-ice-candidate', lambda _, line, candidate: say(candidate=candidate, line=line))
bus = pipe.get_bus()
bus.add_signal_watch()
bus.connect('message::error', failed)
threading.Thread(target=read, daemon=True).start()
loop.run()
pipe.set_state(Gst.State.NULL)
