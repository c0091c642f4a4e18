//! The part of the kernel's `linux/videodev2.h` that is needed here: structures, requests, constants.
//!
//! Written by hand, with its sizes checked by the compiler, so that a build needs neither libclang nor the kernel's
//! headers, for the host or for the target of a cross build. Names and order of fields are the kernel's. On 32 bits
//! this is the layout with 64-bit time, which kernels take since 5.6 whatever libc uses.

use std::marker::PhantomData;

mod m2m;

pub use m2m::*;

/// `V4L2_BUF_TYPE_VIDEO_CAPTURE`
pub const VIDEO_CAPTURE: u32 = 1;
/// `V4L2_BUF_TYPE_VIDEO_OUTPUT`: what a program gives to a device.
pub const VIDEO_OUTPUT: u32 = 2;
/// `V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE`
pub const VIDEO_CAPTURE_MPLANE: u32 = 9;
/// `V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE`
pub const VIDEO_OUTPUT_MPLANE: u32 = 10;
/// `V4L2_MEMORY_MMAP`: memory of the device's driver, mapped by us.
pub const MEMORY_MMAP: u32 = 1;
/// `V4L2_MEMORY_DMABUF`: memory of another driver, named by a descriptor.
pub const MEMORY_DMABUF: u32 = 4;
/// `V4L2_PIX_FMT_PRIV_MAGIC`
pub const PIX_FMT_PRIV_MAGIC: u32 = 0xfeed_cafe;
/// `V4L2_FIELD_NONE`: whole pictures, not fields.
pub const FIELD_NONE: u32 = 1;
/// `V4L2_FMT_FLAG_COMPRESSED`
pub const FMT_COMPRESSED: u32 = 1;
/// `V4L2_CAP_TIMEPERFRAME`: the rate can be set.
pub const CAP_TIMEPERFRAME: u32 = 0x1000;
/// `V4L2_FRMSIZE_TYPE_DISCRETE`, `V4L2_FRMIVAL_TYPE_DISCRETE`
pub const DISCRETE: u32 = 1;
/// `V4L2_COLORSPACE_JPEG`
pub const COLORSPACE_JPEG: u32 = 7;
/// `V4L2_QUANTIZATION_FULL_RANGE`
pub const QUANTIZATION_FULL: u32 = 1;

/// `V4L2_CAP_*`
pub mod cap {
    pub const VIDEO_CAPTURE: u32 = 0x1;
    pub const VIDEO_OUTPUT: u32 = 0x2;
    pub const VIDEO_CAPTURE_MPLANE: u32 = 0x1000;
    pub const VIDEO_OUTPUT_MPLANE: u32 = 0x2000;
    pub const VIDEO_M2M_MPLANE: u32 = 0x4000;
    pub const VIDEO_M2M: u32 = 0x8000;
    pub const META_CAPTURE: u32 = 0x80_0000;
    pub const STREAMING: u32 = 0x400_0000;
    /// Needs a pipeline set up by the media controller.
    pub const IO_MC: u32 = 0x2000_0000;
    /// `device_caps` is filled in.
    pub const DEVICE_CAPS: u32 = 0x8000_0000;
}

/// `V4L2_BUF_FLAG_*`
pub mod flag {
    /// The picture is damaged.
    pub const ERROR: u32 = 0x40;
    /// The last one before a drain is done.
    pub const LAST: u32 = 0x10_0000;
    pub const TIMESTAMP_MASK: u32 = 0xe000;
    pub const TIMESTAMP_MONOTONIC: u32 = 0x2000;
}

/// `V4L2_CTRL_FLAG_DISABLED`, `_READ_ONLY` and `_INACTIVE`: it cannot be set now.
pub const CTRL_UNUSABLE: u32 = 0x1 | 0x4 | 0x10;

/// `V4L2_CTRL_FLAG_NEXT_CTRL`: the control behind this one.
pub const CTRL_NEXT: u32 = 0x8000_0000;

/// `V4L2_CTRL_TYPE_*`
pub mod ctrl {
    pub const INTEGER: u32 = 1;
    pub const BOOLEAN: u32 = 2;
    pub const MENU: u32 = 3;
    pub const BUTTON: u32 = 4;
    pub const INTEGER64: u32 = 5;
    /// The name of a group, not a control.
    pub const CLASS: u32 = 6;
    pub const STRING: u32 = 7;
    pub const BITMASK: u32 = 8;
    pub const INTEGER_MENU: u32 = 9;
}

/// An ioctl that passes one `T`, and nothing that `T` points to.
pub struct Request<T>(pub u32, PhantomData<T>);

/// An ioctl that passes one `T`, and what `T` points to.
pub struct Indirect<T>(pub u32, PhantomData<T>);

const fn request<T>(direction: u32, number: u32) -> Request<T> {
    // asm-generic/ioctl.h; the kernel copies just as many bytes as the number says.
    Request(direction << 30 | (size_of::<T>() as u32) << 16 | (b'V' as u32) << 8 | number, PhantomData)
}

const fn indirect<T>(direction: u32, number: u32) -> Indirect<T> {
    Indirect(request::<T>(direction, number).0, PhantomData)
}

const WRITE: u32 = 1;
const READ: u32 = 2;

pub const QUERYCAP: Request<Capability> = request(READ, 0);
pub const ENUM_FMT: Request<FmtDesc> = request(READ | WRITE, 2);
pub const S_FMT: Request<Format> = request(READ | WRITE, 5);
pub const REQBUFS: Request<RequestBuffers> = request(READ | WRITE, 8);
pub const QUERYBUF: Indirect<Buffer> = indirect(READ | WRITE, 9);
pub const QBUF: Indirect<Buffer> = indirect(READ | WRITE, 15);
pub const DQBUF: Indirect<Buffer> = indirect(READ | WRITE, 17);
pub const STREAMON: Request<u32> = request(WRITE, 18);
pub const STREAMOFF: Request<u32> = request(WRITE, 19);
pub const G_PARM: Request<StreamParm> = request(READ | WRITE, 21);
pub const S_PARM: Request<StreamParm> = request(READ | WRITE, 22);
pub const G_CTRL: Request<Control> = request(READ | WRITE, 27);
pub const S_CTRL: Request<Control> = request(READ | WRITE, 28);
pub const QUERYCTRL: Request<QueryCtrl> = request(READ | WRITE, 36);
pub const QUERYMENU: Request<QueryMenu> = request(READ | WRITE, 37);
pub const ENUM_FRAMESIZES: Request<FrmSizeEnum> = request(READ | WRITE, 74);
pub const ENUM_FRAMEINTERVALS: Request<FrmIvalEnum> = request(READ | WRITE, 75);

/// `struct v4l2_capability`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Capability {
    pub driver: [u8; 16],
    pub card: [u8; 32],
    pub bus_info: [u8; 32],
    pub version: u32,
    pub capabilities: u32,
    pub device_caps: u32,
    pub reserved: [u32; 3],
}

/// `struct v4l2_fmtdesc`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct FmtDesc {
    pub index: u32,
    pub kind: u32,
    pub flags: u32,
    pub description: [u8; 32],
    pub pixelformat: [u8; 4],
    pub mbus_code: u32,
    pub reserved: [u32; 3],
}

/// `struct v4l2_frmsizeenum`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct FrmSizeEnum {
    pub index: u32,
    pub pixel_format: [u8; 4],
    pub kind: u32,
    /// Width, height; or minimum, maximum and step of the width, then of the height.
    pub values: [u32; 6],
    pub reserved: [u32; 2],
}

/// `struct v4l2_frmivalenum`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct FrmIvalEnum {
    pub index: u32,
    pub pixel_format: [u8; 4],
    pub width: u32,
    pub height: u32,
    pub kind: u32,
    /// One interval; or minimum, maximum and step.
    pub intervals: [Fract; 3],
    pub reserved: [u32; 2],
}

/// `struct v4l2_fract`, in seconds
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Fract {
    pub numerator: u32,
    pub denominator: u32,
}

/// `struct v4l2_pix_format`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct PixFormat {
    pub width: u32,
    pub height: u32,
    pub pixelformat: [u8; 4],
    pub field: u32,
    pub bytesperline: u32,
    pub sizeimage: u32,
    pub colorspace: u32,
    pub private: u32,
    pub flags: u32,
    pub ycbcr_enc: u32,
    pub quantization: u32,
    pub xfer_func: u32,
}

/// `struct v4l2_format` with its `fmt.pix`; on 64 bits the union has the alignment of a pointer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Format {
    pub kind: u32,
    #[cfg(target_pointer_width = "64")]
    pub padding: u32,
    pub pix: PixFormat,
    pub rest: [u8; 152],
}

/// `struct v4l2_streamparm` with its `parm.capture`; `parm.output` begins in the same way
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct StreamParm {
    pub kind: u32,
    pub capability: u32,
    pub capturemode: u32,
    pub timeperframe: Fract,
    pub rest: [u8; 184],
}

/// `struct v4l2_requestbuffers`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct RequestBuffers {
    pub count: u32,
    pub kind: u32,
    pub memory: u32,
    pub capabilities: u32,
    pub reserved: u32,
}

/// `struct v4l2_buffer`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Buffer {
    pub index: u32,
    pub kind: u32,
    pub bytesused: u32,
    pub flags: u32,
    pub field: u32,
    pub seconds: i64,
    pub microseconds: i64,
    pub timecode: [u32; 4],
    pub sequence: u32,
    pub memory: u32,
    /// A union as wide as a pointer: where it is, for mmap; the descriptor of a DMABUF; where its planes are.
    pub m: usize,
    pub length: u32,
    pub reserved: u32,
    pub request_fd: u32,
}

/// `struct v4l2_control`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Control {
    pub id: u32,
    pub value: i32,
}

/// `struct v4l2_queryctrl`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct QueryCtrl {
    pub id: u32,
    pub kind: u32,
    pub name: [u8; 32],
    pub minimum: i32,
    pub maximum: i32,
    pub step: i32,
    pub default_value: i32,
    pub flags: u32,
    pub reserved: [u32; 2],
}

/// `struct v4l2_querymenu`, which is packed
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct QueryMenu {
    pub id: u32,
    pub index: u32,
    /// A name; of a menu of integers the number, in the first eight bytes.
    pub name: [u8; 32],
    pub reserved: u32,
}

impl Format {
    /// For one of a device's two directions, with one plane.
    pub fn of(kind: u32, pix: PixFormat) -> Self {
        Self {
            kind,
            #[cfg(target_pointer_width = "64")]
            padding: 0,
            pix,
            rest: [0; 152],
        }
    }
}

impl StreamParm {
    /// For one of a device's two directions.
    pub fn of(kind: u32, timeperframe: Fract) -> Self {
        Self { kind, capability: 0, capturemode: 0, timeperframe, rest: [0; 184] }
    }
}

/// The numbers that a C compiler gives for the kernel's own header.
const _: () = {
    let wide = cfg!(target_pointer_width = "64");
    assert!(QUERYCAP.0 == 0x8068_5600 && ENUM_FMT.0 == 0xc040_5602 && STREAMON.0 == 0x4004_5612);
    assert!(ENUM_FRAMESIZES.0 == 0xc02c_564a && ENUM_FRAMEINTERVALS.0 == 0xc034_564b);
    assert!(S_PARM.0 == 0xc0cc_5616 && REQBUFS.0 == 0xc014_5608);
    assert!(S_CTRL.0 == 0xc008_561c && QUERYCTRL.0 == 0xc044_5624);
    assert!(QUERYMENU.0 == 0xc02c_5625);
    assert!(S_FMT.0 == if wide { 0xc0d0_5605 } else { 0xc0cc_5605 });
    assert!(DQBUF.0 == if wide { 0xc058_5611 } else { 0xc050_5611 });
    assert!(std::mem::offset_of!(Buffer, seconds) == 24 && std::mem::offset_of!(Buffer, sequence) == 56);
    assert!(std::mem::offset_of!(Buffer, m) == 64);
    assert!(std::mem::offset_of!(Buffer, length) == if wide { 72 } else { 68 });
    assert!(std::mem::offset_of!(Format, pix) == if wide { 8 } else { 4 });
    assert!(std::mem::offset_of!(StreamParm, timeperframe) == 12);
};
