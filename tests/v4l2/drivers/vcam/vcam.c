// SPDX-License-Identifier: GPL-2.0
/*
 * vcam: a virtual V4L2 camera that gives H.264 itself and has the codec controls for it, for tests. There are such
 * cameras (the old Raspberry Pi one, bcm2835-v4l2), but no virtual driver of the kernel is one.
 *
 * 320x240 at 15 pictures a second, constrained baseline, decodable: key frames are grey, all else repeats them. A stream
 * begins with a key frame. Headers are in front of the first one only, unless REPEAT_SEQ_HEADER is set.
 */
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <media/v4l2-ctrls.h>
#include <media/v4l2-device.h>
#include <media/v4l2-event.h>
#include <media/v4l2-ioctl.h>
#include <media/videobuf2-v4l2.h>
#include <media/videobuf2-vmalloc.h>

static bool deaf;
module_param(deaf, bool, 0644);
MODULE_PARM_DESC(deaf, "takes requests for key frames, and gives none");

enum { WIDTH = 320, HEIGHT = 240, BLOCKS = WIDTH / 16 * HEIGHT / 16, FPS = 15, BUFFER = 8192 };

struct vcam {
	struct v4l2_device v4l2;
	struct video_device node;
	struct v4l2_ctrl_handler controls;
	struct v4l2_ctrl *period, *repeat;
	struct vb2_queue queue;
	struct mutex lock;
	struct list_head buffers;	/* of struct buffer, under the lock below */
	spinlock_t buffers_lock;
	struct delayed_work work;
	bool force;
	u32 sequence, since_key, frame_num, idr_id;
};

struct buffer {
	struct vb2_v4l2_buffer vb;
	struct list_head list;
};

/* ---- H.264 ------------------------------------------------------------------------------------------------------ */

struct bits { u8 *at; u32 byte, count; };

static void put(struct bits *b, u32 value, int count)
{
	while (count--) {
		b->byte = b->byte << 1 | (value >> count & 1);
		if (++b->count == 8) {
			*b->at++ = b->byte;
			b->byte = b->count = 0;
		}
	}
}

static void ue(struct bits *b, u32 value)
{
	int length = fls(value + 1);

	put(b, 0, length - 1);
	put(b, value + 1, length);
}

static void begin(struct bits *b, u8 header)
{
	put(b, 1, 32);
	put(b, header, 8);
}

static void end(struct bits *b)
{
	put(b, 1, 1);
	while (b->count)
		put(b, 0, 1);
}

static void headers(struct bits *b)
{
	begin(b, 0x67);
	put(b, 0x42c01e, 24);		/* constrained baseline, level 3 */
	ue(b, 0); ue(b, 4); ue(b, 2); ue(b, 1);		/* frame_num has 8 bits; no picture order count; one reference */
	put(b, 0, 1);
	ue(b, WIDTH / 16 - 1); ue(b, HEIGHT / 16 - 1);
	put(b, 3, 2); put(b, 0, 2);	/* frames only, direct 8x8; no cropping, no VUI */
	end(b);
	begin(b, 0x68);
	ue(b, 0); ue(b, 0); put(b, 0, 2); ue(b, 0); ue(b, 0); ue(b, 0); put(b, 0, 3);
	ue(b, 0); ue(b, 0); ue(b, 0); put(b, 4, 3);	/* deblocking can be controlled */
	end(b);
}

static u32 picture(struct vcam *cam, u8 *to)
{
	struct bits b = { .at = to };
	bool key = cam->force || !cam->sequence || cam->since_key >= cam->period->val;
	int i;

	if (key) {
		if (!cam->sequence || cam->repeat->val)
			headers(&b);
		cam->force = false;
		cam->since_key = cam->frame_num = 0;
		begin(&b, 0x65);
		ue(&b, 0); ue(&b, 7); ue(&b, 0);	/* the first block, I, parameter set */
		put(&b, 0, 8);
		ue(&b, cam->idr_id++ & 1);
		put(&b, 0, 2); ue(&b, 0); ue(&b, 1);	/* marking; quantizer; no deblocking */
		for (i = 0; i < BLOCKS; i++) {
			ue(&b, 3); ue(&b, 0); ue(&b, 0);	/* Intra 16x16 from the mean, chroma too, quantizer */
			put(&b, 1, 1);				/* and nothing more */
		}
	} else {
		begin(&b, 0x41);
		ue(&b, 0); ue(&b, 5); ue(&b, 0);
		put(&b, ++cam->frame_num, 8);
		put(&b, 0, 3); ue(&b, 0); ue(&b, 1);
		ue(&b, BLOCKS);				/* all blocks are skipped */
	}
	end(&b);
	cam->since_key++;
	return b.at - to;
}

/* ---- buffers ---------------------------------------------------------------------------------------------------- */

static struct buffer *take(struct vcam *cam)
{
	struct buffer *buffer;

	spin_lock(&cam->buffers_lock);
	buffer = list_first_entry_or_null(&cam->buffers, struct buffer, list);
	if (buffer)
		list_del(&buffer->list);
	spin_unlock(&cam->buffers_lock);
	return buffer;
}

static void tick(struct work_struct *work)
{
	struct vcam *cam = container_of(to_delayed_work(work), struct vcam, work);
	struct buffer *buffer = take(cam);

	if (buffer) {
		struct vb2_buffer *vb = &buffer->vb.vb2_buf;

		vb2_set_plane_payload(vb, 0, picture(cam, vb2_plane_vaddr(vb, 0)));
		vb->timestamp = ktime_get_ns();
		buffer->vb.field = V4L2_FIELD_NONE;
		buffer->vb.sequence = cam->sequence++;
		vb2_buffer_done(vb, VB2_BUF_STATE_DONE);
	}
	schedule_delayed_work(&cam->work, HZ / FPS);
}

static int queue_setup(struct vb2_queue *queue, unsigned int *buffers, unsigned int *planes, unsigned int sizes[],
		       struct device *devices[])
{
	if (*planes)
		return sizes[0] < BUFFER ? -EINVAL : 0;
	*planes = 1;
	sizes[0] = BUFFER;
	return 0;
}

static int buf_prepare(struct vb2_buffer *vb)
{
	return vb2_plane_size(vb, 0) < BUFFER ? -EINVAL : 0;
}

static void buf_queue(struct vb2_buffer *vb)
{
	struct vcam *cam = vb2_get_drv_priv(vb->vb2_queue);
	struct buffer *buffer = container_of(to_vb2_v4l2_buffer(vb), struct buffer, vb);

	spin_lock(&cam->buffers_lock);
	list_add_tail(&buffer->list, &cam->buffers);
	spin_unlock(&cam->buffers_lock);
}

static int start_streaming(struct vb2_queue *queue, unsigned int count)
{
	struct vcam *cam = vb2_get_drv_priv(queue);

	cam->sequence = 0;
	schedule_delayed_work(&cam->work, HZ / FPS);
	return 0;
}

static void stop_streaming(struct vb2_queue *queue)
{
	struct vcam *cam = vb2_get_drv_priv(queue);
	struct buffer *buffer;

	cancel_delayed_work_sync(&cam->work);
	while ((buffer = take(cam)))
		vb2_buffer_done(&buffer->vb.vb2_buf, VB2_BUF_STATE_ERROR);
}

static const struct vb2_ops queue_ops = {
	.queue_setup = queue_setup, .buf_prepare = buf_prepare, .buf_queue = buf_queue,
	.start_streaming = start_streaming, .stop_streaming = stop_streaming,
	.wait_prepare = vb2_ops_wait_prepare, .wait_finish = vb2_ops_wait_finish,
};

/* ---- ioctls ----------------------------------------------------------------------------------------------------- */

static int querycap(struct file *file, void *fh, struct v4l2_capability *cap)
{
	strscpy(cap->driver, "vcam", sizeof(cap->driver));
	strscpy(cap->card, "vcam", sizeof(cap->card));
	strscpy(cap->bus_info, "platform:vcam", sizeof(cap->bus_info));
	return 0;
}

static int enum_fmt(struct file *file, void *fh, struct v4l2_fmtdesc *desc)
{
	if (desc->index)
		return -EINVAL;
	desc->pixelformat = V4L2_PIX_FMT_H264;
	return 0;
}

static int fmt(struct file *file, void *fh, struct v4l2_format *format)
{
	format->fmt.pix = (struct v4l2_pix_format) {
		.width = WIDTH, .height = HEIGHT, .pixelformat = V4L2_PIX_FMT_H264, .field = V4L2_FIELD_NONE,
		.sizeimage = BUFFER, .colorspace = V4L2_COLORSPACE_REC709,
	};
	return 0;
}

static int framesizes(struct file *file, void *fh, struct v4l2_frmsizeenum *size)
{
	if (size->index || size->pixel_format != V4L2_PIX_FMT_H264)
		return -EINVAL;
	size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
	size->discrete.width = WIDTH;
	size->discrete.height = HEIGHT;
	return 0;
}

static int parm(struct file *file, void *fh, struct v4l2_streamparm *parm)
{
	if (parm->type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
		return -EINVAL;
	parm->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
	parm->parm.capture.timeperframe = (struct v4l2_fract) { 1, FPS };
	parm->parm.capture.readbuffers = 1;
	return 0;
}

static int enum_input(struct file *file, void *fh, struct v4l2_input *input)
{
	if (input->index)
		return -EINVAL;
	input->type = V4L2_INPUT_TYPE_CAMERA;
	strscpy(input->name, "camera", sizeof(input->name));
	return 0;
}

static int g_input(struct file *file, void *fh, unsigned int *input) { *input = 0; return 0; }
static int s_input(struct file *file, void *fh, unsigned int input) { return input ? -EINVAL : 0; }

static const struct v4l2_ioctl_ops ioctl_ops = {
	.vidioc_querycap = querycap, .vidioc_enum_fmt_vid_cap = enum_fmt,
	.vidioc_g_fmt_vid_cap = fmt, .vidioc_s_fmt_vid_cap = fmt, .vidioc_try_fmt_vid_cap = fmt,
	.vidioc_enum_framesizes = framesizes, .vidioc_g_parm = parm, .vidioc_s_parm = parm,
	.vidioc_enum_input = enum_input, .vidioc_g_input = g_input, .vidioc_s_input = s_input,
	.vidioc_reqbufs = vb2_ioctl_reqbufs, .vidioc_querybuf = vb2_ioctl_querybuf, .vidioc_qbuf = vb2_ioctl_qbuf,
	.vidioc_dqbuf = vb2_ioctl_dqbuf, .vidioc_streamon = vb2_ioctl_streamon, .vidioc_streamoff = vb2_ioctl_streamoff,
};

static const struct v4l2_file_operations file_ops = {
	.owner = THIS_MODULE, .open = v4l2_fh_open, .release = vb2_fop_release, .poll = vb2_fop_poll,
	.mmap = vb2_fop_mmap, .unlocked_ioctl = video_ioctl2,
};

static int set_control(struct v4l2_ctrl *control)
{
	struct vcam *cam = container_of(control->handler, struct vcam, controls);

	if (control->id == V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME && !deaf)
		cam->force = true;
	return 0;
}

static const struct v4l2_ctrl_ops control_ops = { .s_ctrl = set_control };

/* ---- the device ------------------------------------------------------------------------------------------------- */

static int probe(struct platform_device *device)
{
	struct vcam *cam = devm_kzalloc(&device->dev, sizeof(*cam), GFP_KERNEL);
	struct v4l2_ctrl_handler *controls;
	int error;

	if (!cam)
		return -ENOMEM;
	mutex_init(&cam->lock);
	spin_lock_init(&cam->buffers_lock);
	INIT_LIST_HEAD(&cam->buffers);
	INIT_DELAYED_WORK(&cam->work, tick);
	error = v4l2_device_register(&device->dev, &cam->v4l2);
	if (error)
		return error;

	controls = &cam->controls;
	v4l2_ctrl_handler_init(controls, 4);
	v4l2_ctrl_new_std(controls, &control_ops, V4L2_CID_MPEG_VIDEO_BITRATE, 100000, 4000000, 25000, 1000000);
	v4l2_ctrl_new_std(controls, &control_ops, V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME, 0, 0, 0, 0);
	cam->period = v4l2_ctrl_new_std(controls, &control_ops, V4L2_CID_MPEG_VIDEO_H264_I_PERIOD, 1, 1000, 1, 30);
	cam->repeat = v4l2_ctrl_new_std(controls, &control_ops, V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, 0, 1, 1, 0);
	error = controls->error;
	if (error)
		goto failed;

	cam->queue.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	cam->queue.io_modes = VB2_MMAP | VB2_DMABUF;
	cam->queue.drv_priv = cam;
	cam->queue.buf_struct_size = sizeof(struct buffer);
	cam->queue.ops = &queue_ops;
	cam->queue.mem_ops = &vb2_vmalloc_memops;
	cam->queue.timestamp_flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
	cam->queue.lock = &cam->lock;
	error = vb2_queue_init(&cam->queue);
	if (error)
		goto failed;

	strscpy(cam->node.name, "vcam", sizeof(cam->node.name));
	cam->node.fops = &file_ops;
	cam->node.ioctl_ops = &ioctl_ops;
	cam->node.release = video_device_release_empty;
	cam->node.v4l2_dev = &cam->v4l2;
	cam->node.ctrl_handler = controls;
	cam->node.queue = &cam->queue;
	cam->node.lock = &cam->lock;
	cam->node.device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
	video_set_drvdata(&cam->node, cam);
	platform_set_drvdata(device, cam);
	error = video_register_device(&cam->node, VFL_TYPE_VIDEO, -1);
	if (!error)
		return 0;
failed:
	v4l2_ctrl_handler_free(controls);
	v4l2_device_unregister(&cam->v4l2);
	return error;
}

static void remove(struct platform_device *device)
{
	struct vcam *cam = platform_get_drvdata(device);

	vb2_video_unregister_device(&cam->node);
	v4l2_ctrl_handler_free(&cam->controls);
	v4l2_device_unregister(&cam->v4l2);
}

static struct platform_driver driver = { .probe = probe, .remove = remove, .driver = { .name = "vcam" } };
static struct platform_device *vcam;

static int __init start(void)
{
	int error = platform_driver_register(&driver);

	if (error)
		return error;
	vcam = platform_device_register_simple("vcam", -1, NULL, 0);
	if (IS_ERR(vcam))
		platform_driver_unregister(&driver);
	return PTR_ERR_OR_ZERO(vcam);
}

static void __exit stop(void)
{
	platform_device_unregister(vcam);
	platform_driver_unregister(&driver);
}

module_init(start);
module_exit(stop);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("virtual camera with H.264 and codec controls");
