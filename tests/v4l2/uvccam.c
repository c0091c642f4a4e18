/*
 * uvccam [OPTION]... FILE.h264 FPS WIDTH HEIGHT [UDC] - a USB camera that is a program.
 *
 * A UVC 1.1 camera with one format, H.264, on a bulk endpoint. The USB cable is the kernel's dummy_hcd, the device end
 * is this program through /dev/raw-gadget, the host end is the real uvcvideo driver: /dev/videoN, fourcc H264.
 * To unplug the camera, end this program (SIGTERM and SIGKILL do the same); to plug it in again, start it again.
 *
 * FILE is Annex B with an access unit delimiter in front of each picture. One access unit becomes one V4L2 buffer. Every
 * start of the stream, and every turn of the loop, begins at the file's first IDR picture. UDC (default 0) picks the
 * port, for several cameras at once: modprobe dummy_hcd num=2.
 *
 *   --resume     a start of the stream goes on where the last one ended, as with cameras that encode for nobody; the
 *                first begins behind the IDR picture
 *   --xu         has the H.264 extension unit ("H.264 Payload 1.00"): an IDR picture that is asked for is served by a jump
 *                to the next one of the file; bitrates are taken from 200 kbit/s to 4 Mbit/s; what was set can be read
 *   --xu=stall   the same, but every setting of it is refused
 *   --xu=deaf    it takes requests for IDR pictures, and gives none
 *   --xu=hang    it does not answer requests for IDR pictures
 *
 * What happens is told on stderr, a line each: `start`, `idr`, `bitrate PEAK AVERAGE`, `config WIDTH HEIGHT BITRATE MS`.
 *
 * Build: cc -O2 -Wall -pthread -o uvccam uvccam.c
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <linux/usb/ch9.h>
#include <linux/usb/raw_gadget.h>
#include <linux/usb/video.h>

enum {
	EVENT_RESET = 5, EVENT_DISCONNECT = 6,	/* in raw_gadget.h only since Linux 6.6 */
	CONTROL = 0, STREAMING = 1,		/* our two interfaces */
	XU = 12,				/* the extension unit's id */
	ENDPOINT = 0x81, PACKET = 512,
	HEADER = 2, PAYLOAD = 32 * PACKET,	/* the most that uvcvideo reads with one URB */
	UNITS_MAX = 100000,
};

struct unit { const uint8_t *data; uint32_t len; };
static struct unit units[UNITS_MAX];
static bool *is_idr;			/* of each unit */
static int unit_count;

static enum { XU_NONE, XU_GOOD, XU_STALL, XU_DEAF, XU_HANG } xu;
static bool resume;

static int gadget, endpoint = -1;	/* endpoint: raw_gadget's number for it, once it is enabled */
static uint32_t interval;		/* of frames, in 100 ns, as UVC counts */
static uint32_t frame_max = 512 * 1024;	/* what we say the largest picture is: the driver's buffer size */

static void die(const char *what)
{
	fprintf(stderr, "uvccam: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the pictures ---------------------------------------------------------------------------------------------- */

/* The next start code at or after p, or end. Leaves p on its first zero byte; the NAL header is at p[3]. */
static const uint8_t *start_code(const uint8_t *p, const uint8_t *end)
{
	for (; p + 4 <= end; p++)
		if (!p[0] && !p[1] && p[2] == 1)
			return p;
	return end;
}

/* Splits the file at its delimiters and drops what is in front of the first IDR picture. */
static void load(const char *path)
{
	int file = open(path, O_RDONLY);
	struct stat st;
	if (file < 0 || fstat(file, &st) < 0)
		die(path);
	const uint8_t *data = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (data == MAP_FAILED)
		die(path);
	const uint8_t *end = data + st.st_size, *begin = NULL;
	bool idr_seen = false, idr_here = false;
	is_idr = calloc(UNITS_MAX, sizeof(*is_idr));
	for (const uint8_t *p = start_code(data, end);; p = start_code(p + 3, end)) {
		int type = p < end ? p[3] & 31 : 9;	/* 5 is an IDR slice, 9 a delimiter; the end is one too */
		idr_seen |= type == 5;
		idr_here |= type == 5;
		if (type != 9)
			continue;
		const uint8_t *next = p < end && p > data && !p[-1] ? p - 1 : p;	/* 00 00 00 01 is one start code */
		if (begin && idr_seen && unit_count < UNITS_MAX) {
			is_idr[unit_count] = idr_here;
			units[unit_count++] = (struct unit){ begin, next - begin };
			if (next - begin > frame_max)
				frame_max = next - begin;
		}
		idr_here = false;
		begin = next;
		if (p >= end)
			break;
	}
	if (!unit_count) {
		fprintf(stderr, "uvccam: %s: no delimited access unit with an IDR picture\n", path);
		exit(1);
	}
}

/* ---- the stream: a thread that is either parked or sending ----------------------------------------------------- */

static pthread_t sender;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool wanted, parked, idr_wanted;

static bool still_wanted(void)
{
	pthread_mutex_lock(&lock);
	bool yes = wanted;
	pthread_mutex_unlock(&lock);
	return yes;
}

/* One access unit, in as many UVC payloads as it takes. Blocks until the host has read it. */
static bool send_unit(const struct unit *unit, bool odd)
{
	static struct { struct usb_raw_ep_io io; uint8_t data[PAYLOAD]; } out;
	for (uint32_t at = 0, n; at < unit->len; at += n) {
		n = unit->len - at < PAYLOAD - HEADER ? unit->len - at : PAYLOAD - HEADER;
		out.data[0] = HEADER;
		out.data[1] = UVC_STREAM_EOH | (odd ? UVC_STREAM_FID : 0) | (at + n == unit->len ? UVC_STREAM_EOF : 0);
		memcpy(out.data + HEADER, unit->data + at, n);
		out.io.ep = endpoint;
		out.io.length = HEADER + n;
		/* A payload ends with a short packet. When its last packet is full, an empty one has to follow. */
		out.io.flags = out.io.length % PACKET == 0 && out.io.length < PAYLOAD ? USB_RAW_IO_FLAGS_ZERO : 0;
		if (ioctl(gadget, USB_RAW_IOCTL_EP_WRITE, &out) < 0)
			return false;		/* EINTR: stop_stream() below. Anything else: the cable is gone. */
		if (!still_wanted())
			return false;
	}
	return true;
}

static void *send_loop(void *unused)
{
	(void)unused;
	int i = resume ? 1 : 0;
	for (bool odd = false;;) {
		pthread_mutex_lock(&lock);
		parked = true;
		pthread_cond_broadcast(&changed);
		while (!wanted)
			pthread_cond_wait(&changed, &lock);
		parked = false;
		pthread_mutex_unlock(&lock);

		struct timespec due;
		clock_gettime(CLOCK_MONOTONIC, &due);
		if (!resume)
			i = 0;
		for (; send_unit(&units[i], odd); i = (i + 1) % unit_count) {
			pthread_mutex_lock(&lock);
			/* i is still the picture that was sent: the loop goes on to the one behind it. */
			while (idr_wanted && !is_idr[(i + 1) % unit_count])
				i = (i + 1) % unit_count;
			idr_wanted = false;
			pthread_mutex_unlock(&lock);
			odd = !odd;		/* the frame id: how the host tells one picture from the next */
			due.tv_nsec += interval * 100L;
			due.tv_sec += due.tv_nsec / 1000000000;
			due.tv_nsec %= 1000000000;
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
			if (!still_wanted())
				break;
		}
		pthread_mutex_lock(&lock);
		wanted = false;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void enable_endpoint(void)
{
	static struct usb_endpoint_descriptor bulk = {
		.bLength = USB_DT_ENDPOINT_SIZE, .bDescriptorType = USB_DT_ENDPOINT,
		.bEndpointAddress = ENDPOINT, .bmAttributes = USB_ENDPOINT_XFER_BULK, .wMaxPacketSize = PACKET,
	};
	endpoint = ioctl(gadget, USB_RAW_IOCTL_EP_ENABLE, &bulk);
}

/*
 * Nothing tells a bulk camera that the host stopped reading (uvcvideo clears the endpoint's halt, which dummy_hcd answers
 * by itself). So the sender then hangs in a write, and the next reader would first get the rest of an old picture.
 * Hence a new start first interrupts that write. The signal may come just before the write: repeat it until it worked.
 * A write of up to 64 bytes does not even hang: it waits in dummy_hcd's FIFO, which only a disabled endpoint gives up.
 */
static void stop_stream(void)
{
	pthread_mutex_lock(&lock);
	wanted = false;
	while (!parked) {
		pthread_mutex_unlock(&lock);
		pthread_kill(sender, SIGUSR1);
		usleep(1000);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
	if (endpoint >= 0) {
		ioctl(gadget, USB_RAW_IOCTL_EP_DISABLE, endpoint);
		enable_endpoint();
	}
}

static void start_stream(void)
{
	fprintf(stderr, "start\n");
	pthread_mutex_lock(&lock);
	wanted = endpoint >= 0;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void on_signal(int unused) { (void)unused; }	/* exists only to end a blocked ioctl with EINTR */

/* ---- descriptors ----------------------------------------------------------------------------------------------- */

static uint8_t config[256];
static int config_len;

static int add(const void *bytes, int len)
{
	memcpy(config + config_len, bytes, len);
	return (config_len += len) - len;	/* where it was put */
}

#define ADD(...) add((uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))
#define U16(v) (uint8_t)(v), (uint8_t)((v) >> 8)
#define U32(v) U16(v), U16((v) >> 16)
#define INTERFACE(number, endpoints, subclass) \
	ADD(9, USB_DT_INTERFACE, number, 0, endpoints, USB_CLASS_VIDEO, subclass, 0, 0)

static void set_u16(int at, int value) { config[at] = value; config[at + 1] = value >> 8; }

static void build_config(int width, int height)
{
	enum { CAMERA = 1, OUTPUT = 2 };	/* camera terminal (--> extension unit) --> output terminal */

	ADD(9, USB_DT_CONFIG, U16(0), 2, 1, 0, USB_CONFIG_ATT_ONE, 50);
	ADD(8, USB_DT_INTERFACE_ASSOCIATION, CONTROL, 2, USB_CLASS_VIDEO, UVC_SC_VIDEO_INTERFACE_COLLECTION, 0, 0);

	INTERFACE(CONTROL, 0, UVC_SC_VIDEOCONTROL);
	int control = ADD(13, USB_DT_CS_INTERFACE, UVC_VC_HEADER, U16(0x0110), U16(0), U32(48000000), 1, STREAMING);
	ADD(18, USB_DT_CS_INTERFACE, UVC_VC_INPUT_TERMINAL, CAMERA, U16(UVC_ITT_CAMERA),
	    0, 0, U16(0), U16(0), U16(0), 3, 0, 0, 0);
	if (xu)
		/* bmControls: config probe and commit, rate control mode; picture type, version; bitrate layers */
		ADD(27, USB_DT_CS_INTERFACE, UVC_VC_EXTENSION_UNIT, XU,
		    0x41, 0x76, 0x9e, 0xa2, 0x04, 0xde, 0xe3, 0x47, 0x8b, 0x2b, 0xf4, 0x34, 0x1a, 0xff, 0x00, 0x3b,
		    6, 1, CAMERA, 2, 0x07, 0x23, 0);
	ADD(9, USB_DT_CS_INTERFACE, UVC_VC_OUTPUT_TERMINAL, OUTPUT, U16(UVC_TT_STREAMING), 0, xu ? XU : CAMERA, 0);
	set_u16(control + 5, config_len - control);

	INTERFACE(STREAMING, 1, UVC_SC_VIDEOSTREAMING);
	int streaming = ADD(14, USB_DT_CS_INTERFACE, UVC_VS_INPUT_HEADER, 1, U16(0), ENDPOINT, 0, OUTPUT, 0, 0, 0, 1, 0);
	ADD(28, USB_DT_CS_INTERFACE, UVC_VS_FORMAT_FRAME_BASED, 1, 1,
	    'H', '2', '6', '4', 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71,	/* the format's GUID */
	    16, 1, 0, 0, 0, 0, 1);		/* bits a pixel, default frame, aspect, interlace, protected, variable size */
	ADD(30, USB_DT_CS_INTERFACE, UVC_VS_FRAME_FRAME_BASED, 1, 0, U16(width), U16(height),
	    U32(1000000), U32(8000000), U32(interval), 1, U32(0), U32(interval));
	set_u16(streaming + 4, config_len - streaming);
	ADD(7, USB_DT_ENDPOINT, ENDPOINT, USB_ENDPOINT_XFER_BULK, U16(PACKET), 0);

	set_u16(2, config_len);
}

static int string_descriptor(uint8_t *to, int index)
{
	static const char *const strings[] = { NULL, "Lunette", "H264 Test Camera", "0001" };
	int len = 2;
	if (index == 0) {
		to[len++] = 0x09; to[len++] = 0x04;	/* US English */
	} else if (index < 4) {
		for (const char *c = strings[index]; *c; c++) {
			to[len++] = *c; to[len++] = 0;	/* UTF-16 */
		}
	} else {
		return -1;
	}
	to[0] = len; to[1] = USB_DT_STRING;
	return len;
}

/* ---- requests on endpoint 0 ------------------------------------------------------------------------------------ */

enum { STALL = -1 };

static int reply(uint8_t *to, const void *from, int len) { memcpy(to, from, len); return len; }

/* Fills in the answer and returns its length; for requests towards us, what matters is only that it is no STALL. */
static int standard_request(const struct usb_ctrlrequest *request, uint8_t *to)
{
	/* Each kind of camera is a model of its own: another bcdDevice. */
	const uint8_t device[] = { 18, USB_DT_DEVICE, U16(0x0200), USB_CLASS_MISC, 2, 1, 64, U16(0x1d6b), U16(0x0102),
				   U16(0x0100 + xu), 1, 2, 3, 1 };
	static const uint8_t qualifier[] = { 10, USB_DT_DEVICE_QUALIFIER, U16(0x0200), USB_CLASS_MISC, 2, 1, 64, 1, 0 };

	switch (request->bRequest) {
	case USB_REQ_GET_DESCRIPTOR:
		switch (request->wValue >> 8) {
		case USB_DT_DEVICE:		return reply(to, device, sizeof(device));
		case USB_DT_DEVICE_QUALIFIER:	return reply(to, qualifier, sizeof(qualifier));
		case USB_DT_CONFIG:		return reply(to, config, config_len);
		case USB_DT_STRING:		return string_descriptor(to, request->wValue & 255);
		}
		return STALL;
	case USB_REQ_SET_CONFIGURATION:
		if (endpoint < 0)
			enable_endpoint();
		ioctl(gadget, USB_RAW_IOCTL_VBUS_DRAW, 50);
		ioctl(gadget, USB_RAW_IOCTL_CONFIGURE, 0);
		return 0;
	case USB_REQ_SET_INTERFACE:
		stop_stream();
		return 0;
	case USB_REQ_GET_INTERFACE:
		return reply(to, "", 1);
	}
	return STALL;
}

/* ---- the extension unit ---------------------------------------------------------------------------------------- */

enum { CONFIG_PROBE = 1, CONFIG_COMMIT = 2, RATE_MODE = 3, PICTURE_TYPE = 9, VERSION = 10, BITRATE_LAYERS = 14 };

static struct control { uint8_t len, info, data[64]; } xu_controls[16] = {
	[CONFIG_PROBE] = { 46, 3, { U32(333333), U32(3000000), U16(0), U16(0), U16(1), U16(1) } },
	[CONFIG_COMMIT] = { 46, 2 },
	[RATE_MODE] = { 3, 3, { 0, 0, 2 } },
	[PICTURE_TYPE] = { 4, 3 },
	[VERSION] = { 2, 1, { U16(0x0100) } },
	[BITRATE_LAYERS] = { 10, 3, { U16(0), U32(3000000), U32(3000000) } },
};

static uint32_t get(const uint8_t *from, int bytes)
{
	uint32_t value = 0;
	for (int i = bytes; i-- > 0;)
		value = value << 8 | from[i];
	return value;
}

static void limit(uint8_t *bitrate)
{
	uint32_t bps = get(bitrate, 4);
	bps = bps < 200000 ? 200000 : bps > 4000000 ? 4000000 : bps;
	memcpy(bitrate, (uint8_t[]){ U32(bps) }, 4);
}

static int xu_request(const struct usb_ctrlrequest *request, uint8_t *to)
{
	int selector = request->wValue >> 8;
	if (selector >= 16 || !xu_controls[selector].len)
		return STALL;
	const struct control *control = &xu_controls[selector];
	switch (request->bRequest) {
	case UVC_SET_CUR:
		if (selector == PICTURE_TYPE && xu == XU_HANG) {
			usleep(5200000);	/* the host gives up after 5 s */
			return STALL;
		}
		return xu == XU_STALL || !(control->info & 2) || request->wLength != control->len ? STALL : 0;
	case UVC_GET_LEN:	return reply(to, (uint8_t[]){ control->len, 0 }, 2);
	case UVC_GET_INFO:	return reply(to, &control->info, 1);
	case UVC_GET_CUR:
	case UVC_GET_MIN:
	case UVC_GET_MAX:
	case UVC_GET_DEF:
	case UVC_GET_RES:	return control->info & 1 ? reply(to, control->data, control->len) : STALL;
	}
	return STALL;
}

/* The host has set a control. */
static void xu_set(int selector, const uint8_t *data)
{
	struct control *control = &xu_controls[selector];
	memcpy(control->data, data, control->len);
	data = control->data;
	switch (selector) {
	case CONFIG_PROBE:
		limit(control->data + 4);
		break;
	case CONFIG_COMMIT:
		fprintf(stderr, "config %u %u %u %u\n", get(data + 12, 2), get(data + 14, 2), get(data + 4, 4), get(data + 22, 2));
		break;
	case PICTURE_TYPE:
		fprintf(stderr, "idr\n");
		pthread_mutex_lock(&lock);
		idr_wanted = get(data + 2, 2) > 0 && xu != XU_DEAF;
		pthread_mutex_unlock(&lock);
		break;
	case BITRATE_LAYERS:
		limit(control->data + 2);
		limit(control->data + 6);
		fprintf(stderr, "bitrate %u %u\n", get(data + 2, 4), get(data + 6, 4));
		break;
	}
}

static int video_request(const struct usb_ctrlrequest *request, uint8_t *to)
{
	/* What we stream, whatever the host asks for: format 1, frame 1, our interval, ... */
	const uint8_t settings[34] = { U16(1), 1, 1, U32(interval), U16(0), U16(0), U16(0), U16(0), U16(0),
				       U32(frame_max), U32(PAYLOAD), U32(48000000), 3, 0, 0, 0 };
	int interface = request->wIndex & 255, selector = request->wValue >> 8;

	if (xu && interface == CONTROL && request->wIndex >> 8 == XU)
		return xu_request(request, to);
	if (interface == CONTROL && selector == UVC_VC_REQUEST_ERROR_CODE_CONTROL && request->bRequest == UVC_GET_CUR)
		return reply(to, "\x06", 1);	/* why we stalled: no such control */
	if (interface != STREAMING || (selector != UVC_VS_PROBE_CONTROL && selector != UVC_VS_COMMIT_CONTROL))
		return STALL;
	switch (request->bRequest) {
	case UVC_SET_CUR:	return 0;
	case UVC_GET_CUR:
	case UVC_GET_MIN:
	case UVC_GET_MAX:
	case UVC_GET_DEF:	return reply(to, settings, sizeof(settings));
	case UVC_GET_LEN:	return reply(to, (uint8_t[]){ U16(sizeof(settings)) }, 2);
	case UVC_GET_INFO:	return reply(to, "\x03", 1);	/* can be read and set */
	}
	return STALL;
}

static void control(const struct usb_ctrlrequest *request)
{
	static struct { struct usb_raw_ep_io io; uint8_t data[1024]; } ep0;
	int len = STALL, type = request->bRequestType & USB_TYPE_MASK;
	bool commit = type == USB_TYPE_CLASS && request->bRequest == UVC_SET_CUR &&
		      (request->wIndex & 255) == STREAMING && request->wValue >> 8 == UVC_VS_COMMIT_CONTROL;

	if (type == USB_TYPE_STANDARD)
		len = standard_request(request, ep0.data);
	else if (type == USB_TYPE_CLASS)
		len = video_request(request, ep0.data);

	if (len == STALL || request->wLength > sizeof(ep0.data)) {
		ioctl(gadget, USB_RAW_IOCTL_EP0_STALL, 0);
		return;
	}
	if (commit)
		stop_stream();		/* before the acknowledgement: right after it the host reads, */
				/* and without an enabled endpoint gets EPROTO */
	ep0.io.length = request->wLength;
	if (request->bRequestType & USB_DIR_IN) {
		if (len < ep0.io.length)
			ep0.io.length = len;
		ioctl(gadget, USB_RAW_IOCTL_EP0_WRITE, &ep0);
	} else if (ioctl(gadget, USB_RAW_IOCTL_EP0_READ, &ep0) >= 0) {
		if (commit)
			start_stream();
		else if (type == USB_TYPE_CLASS && request->wIndex == (XU << 8 | CONTROL))
			xu_set(request->wValue >> 8, ep0.data);
	}
}

int main(int argc, char **argv)
{
	for (; argc > 1 && !strncmp(argv[1], "--", 2); argc--, argv++) {
		static const char *const kinds[] = { "", "--xu", "--xu=stall", "--xu=deaf", "--xu=hang" };
		int kind = XU_HANG;
		while (kind && strcmp(argv[1], kinds[kind]))
			kind--;
		if (kind)
			xu = kind;
		else if (!strcmp(argv[1], "--resume"))
			resume = true;
		else
			break;
	}
	if (argc < 5 || atof(argv[2]) <= 0) {
		fprintf(stderr, "usage: uvccam [--resume] [--xu|--xu=stall|--xu=deaf|--xu=hang] FILE.h264 FPS WIDTH HEIGHT [UDC]\n");
		return 2;
	}
	interval = 10000000 / atof(argv[2]);
	load(argv[1]);
	build_config(atoi(argv[3]), atoi(argv[4]));

	struct sigaction interrupt = { .sa_handler = on_signal };	/* no SA_RESTART */
	sigaction(SIGUSR1, &interrupt, NULL);
	if (pthread_create(&sender, NULL, send_loop, NULL))
		die("pthread_create");

	struct usb_raw_init init = { .speed = USB_SPEED_HIGH };
	strcpy((char *)init.driver_name, "dummy_udc");
	snprintf((char *)init.device_name, sizeof(init.device_name), "dummy_udc.%d", argc > 5 ? atoi(argv[5]) : 0);
	if ((gadget = open("/dev/raw-gadget", O_RDWR)) < 0)
		die("/dev/raw-gadget (modprobe dummy_hcd, raw_gadget)");
	if (ioctl(gadget, USB_RAW_IOCTL_INIT, &init) < 0 || ioctl(gadget, USB_RAW_IOCTL_RUN, 0) < 0)
		die((char *)init.device_name);

	for (;;) {
		struct { struct usb_raw_event head; struct usb_ctrlrequest request; } event = { .head.length = 8 };
		if (ioctl(gadget, USB_RAW_IOCTL_EVENT_FETCH, &event) < 0) {
			if (errno == EINTR)		/* SIGSTOP and SIGCONT: a camera that hangs for a while */
				continue;
			die("event");
		}
		if (event.head.type == USB_RAW_EVENT_CONTROL)
			control(&event.request);
		else if (event.head.type == EVENT_RESET || event.head.type == EVENT_DISCONNECT)
			stop_stream();
	}
}
