//! What encoders need of `linux/videodev2.h` and `linux/v4l2-controls.h` beyond capture.

use super::{Format, READ, Request, WRITE, request};

/// `V4L2_SEL_TGT_CROP`
pub const SEL_CROP: u32 = 0;
/// `V4L2_ENC_CMD_STOP`: encode what is queued, then say that it was the last.
pub const ENC_STOP: u32 = 1;
/// `V4L2_EVENT_SOURCE_CHANGE`
pub const EVENT_SOURCE_CHANGE: u32 = 5;

/// `V4L2_CID_MPEG_VIDEO_*`
pub mod cid {
    pub const B_FRAMES: u32 = 0x99_09ca;
    pub const GOP_SIZE: u32 = 0x99_09cb;
    pub const BITRATE_MODE: u32 = 0x99_09ce;
    pub const BITRATE: u32 = 0x99_09cf;
    pub const FRAME_RC_ENABLE: u32 = 0x99_09d7;
    pub const HEADER_MODE: u32 = 0x99_09d8;
    pub const MULTI_SLICE_MODE: u32 = 0x99_09dd;
    pub const REPEAT_SEQ_HEADER: u32 = 0x99_09e2;
    pub const FORCE_KEY_FRAME: u32 = 0x99_09e5;
    pub const H264_I_PERIOD: u32 = 0x99_0a66;
    pub const H264_LEVEL: u32 = 0x99_0a67;
    pub const H264_PROFILE: u32 = 0x99_0a6b;
    pub const PREPEND_SPSPPS_TO_IDR: u32 = 0x99_0b84;
}

pub const S_FMT_MPLANE: Request<FormatMplane> = request(READ | WRITE, 5);
pub const EXPBUF: Request<ExportBuffer> = request(READ | WRITE, 16);
pub const ENCODER_CMD: Request<EncoderCmd> = request(READ | WRITE, 77);
pub const DQEVENT: Request<Event> = request(READ, 89);
pub const SUBSCRIBE_EVENT: Request<EventSubscription> = request(WRITE, 90);
pub const S_SELECTION: Request<Selection> = request(READ | WRITE, 95);

/// `struct v4l2_plane_pix_format`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct PlanePixFormat {
    pub sizeimage: u32,
    pub bytesperline: u32,
    pub reserved: [u16; 6],
}

/// `struct v4l2_pix_format_mplane`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct PixFormatMplane {
    pub width: u32,
    pub height: u32,
    pub pixelformat: [u8; 4],
    pub field: u32,
    pub colorspace: u32,
    pub plane_fmt: [PlanePixFormat; 8],
    pub num_planes: u8,
    pub flags: u8,
    pub ycbcr_enc: u8,
    pub quantization: u8,
    pub xfer_func: u8,
    pub reserved: [u8; 7],
}

/// `struct v4l2_format` with its `fmt.pix_mp`
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FormatMplane {
    pub kind: u32,
    #[cfg(target_pointer_width = "64")]
    pub padding: u32,
    pub pix: PixFormatMplane,
    pub rest: [u8; 8],
}

/// `struct v4l2_plane`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Plane {
    pub bytesused: u32,
    pub length: u32,
    /// As in [`super::Buffer`].
    pub m: usize,
    pub data_offset: u32,
    pub reserved: [u32; 11],
}

/// `struct v4l2_exportbuffer`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ExportBuffer {
    pub kind: u32,
    pub index: u32,
    pub plane: u32,
    pub flags: u32,
    pub fd: i32,
    pub reserved: [u32; 11],
}

/// `struct v4l2_encoder_cmd`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct EncoderCmd {
    pub cmd: u32,
    pub flags: u32,
    pub raw: [u32; 8],
}

/// `struct v4l2_selection`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Selection {
    pub kind: u32,
    pub target: u32,
    pub flags: u32,
    pub left: i32,
    pub top: i32,
    pub width: u32,
    pub height: u32,
    pub reserved: [u32; 9],
}

/// `struct v4l2_event_subscription`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct EventSubscription {
    pub kind: u32,
    pub id: u32,
    pub flags: u32,
    pub reserved: [u32; 5],
}

/// `struct v4l2_event`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Event {
    pub kind: u32,
    pub padding: u32,
    pub data: [u64; 8],
    pub pending: u32,
    pub sequence: u32,
    pub seconds: i64,
    pub nanoseconds: i64,
    pub id: u32,
    pub reserved: [u32; 8],
    pub end: u32,
}

impl FormatMplane {
    /// For one of a device's two directions.
    pub fn of(kind: u32, pix: PixFormatMplane) -> Self {
        Self {
            kind,
            #[cfg(target_pointer_width = "64")]
            padding: 0,
            pix,
            rest: [0; 8],
        }
    }
}

/// The numbers that a C compiler gives for the kernel's own header.
const _: () = {
    let wide = cfg!(target_pointer_width = "64");
    assert!(size_of::<FormatMplane>() == size_of::<Format>());
    assert!(size_of::<PixFormatMplane>() == 192 && std::mem::offset_of!(PixFormatMplane, num_planes) == 180);
    assert!(size_of::<Plane>() == if wide { 64 } else { 60 });
    assert!(std::mem::offset_of!(Plane, data_offset) == if wide { 16 } else { 12 });
    assert!(EXPBUF.0 == 0xc040_5610 && ENCODER_CMD.0 == 0xc028_564d && S_SELECTION.0 == 0xc040_565f);
    assert!(SUBSCRIBE_EVENT.0 == 0x4020_565a && DQEVENT.0 == 0x8088_5659);
    assert!(std::mem::offset_of!(Event, data) == 8 && std::mem::offset_of!(Event, seconds) == 80);
};
