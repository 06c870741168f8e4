//! The VGA's ports.

use crate::registers::{
    INPUT_STATUS_0, Port, Registers, STATUS_DISPLAY_DISABLED, STATUS_VERTICAL_RETRACE, attr, crtc,
    gfx, seq,
};

/// Indices wrap at the registers' number of address bits.
const SEQ_INDEX: u8 = 0x07;
const GFX_INDEX: u8 = 0x0f;
const ATTR_INDEX: u8 = 0x3f;
const FEATURE_BITS: u8 = 0x03;

impl Registers {
    /// A read of one port; `now` is guest time.
    pub fn read_port(&mut self, port: u64, now: u64) -> u8 {
        let Some(port) = Port::at(port, self.is_color()) else { return 0xff };
        match port {
            Port::CrtcIndex => self.crtc_index,
            Port::CrtcData => self.read_crtc(),
            Port::InputStatus1OrFeature => {
                self.attr_data_next = false;
                let beam = self.beam(now);
                let mut status = 0;
                if !beam.displaying {
                    status |= STATUS_DISPLAY_DISABLED;
                }
                if beam.vertical_retrace {
                    status |= STATUS_VERTICAL_RETRACE;
                }
                status
            }
            Port::Attribute if self.attr_data_next => 0,
            Port::Attribute => self.attr_index,
            Port::AttributeRead => {
                let index = usize::from(self.attr_index & attr::INDEX);
                self.attr.get(index).copied().unwrap_or(0)
            }
            Port::InputStatus0OrMisc => INPUT_STATUS_0,
            Port::SequencerIndex => self.seq_index,
            Port::SequencerData => self.seq.get(usize::from(self.seq_index)).copied().unwrap_or(0),
            Port::PelMask => self.dac.mask(),
            Port::DacStateOrReadIndex => self.dac.state(),
            Port::DacWriteIndex => self.dac.write_index(),
            Port::DacData => self.dac.read(self.vbe.is_eight_bit_dac()),
            Port::FeatureRead => self.feature,
            Port::MiscRead => self.misc,
            Port::GraphicsIndex => self.gfx_index,
            Port::GraphicsData => self.gfx.get(usize::from(self.gfx_index)).copied().unwrap_or(0),
        }
    }

    /// A write of one port.
    pub fn write_port(&mut self, port: u64, value: u8) {
        let Some(port) = Port::at(port, self.is_color()) else { return };
        match port {
            Port::CrtcIndex => self.crtc_index = value,
            Port::CrtcData => {
                self.write_crtc(value);
                self.follow_vbe();
            }
            Port::InputStatus1OrFeature => self.feature = value & FEATURE_BITS,
            Port::Attribute => self.write_attribute(value),
            Port::InputStatus0OrMisc => self.misc = value,
            Port::SequencerIndex => self.seq_index = value & SEQ_INDEX,
            Port::SequencerData => {
                let index = usize::from(self.seq_index);
                if let Some(register) = self.seq.get_mut(index) {
                    *register = value & seq::BITS[index];
                }
            }
            Port::PelMask => self.dac.set_mask(value),
            Port::DacStateOrReadIndex => self.dac.set_read_index(value),
            Port::DacWriteIndex => self.dac.set_write_index(value),
            Port::DacData => self.dac.write(value, self.vbe.is_eight_bit_dac()),
            Port::GraphicsIndex => self.gfx_index = value & GFX_INDEX,
            Port::GraphicsData => {
                let index = usize::from(self.gfx_index);
                if let Some(register) = self.gfx.get_mut(index) {
                    *register = value & gfx::BITS[index];
                }
                self.follow_vbe();
            }
            Port::AttributeRead | Port::FeatureRead | Port::MiscRead => {}
        }
    }

    fn read_crtc(&self) -> u8 {
        match usize::from(self.crtc_index) {
            index if index < crtc::COUNT => self.crtc[index],
            crtc::LATCH => {
                let plane = self.gfx[gfx::READ_MAP] & 0b11;
                self.latch.to_le_bytes()[usize::from(plane)]
            }
            _ => 0,
        }
    }

    fn write_crtc(&mut self, value: u8) {
        let index = usize::from(self.crtc_index);
        let protected = self.crtc[crtc::VERTICAL_RETRACE_END] & crtc::PROTECT != 0;
        match index {
            crtc::OVERFLOW if protected => {
                let bit = crtc::OVERFLOW_LINE_COMPARE;
                self.crtc[index] = self.crtc[index] & !bit | value & bit;
            }
            _ if protected && index < crtc::OVERFLOW => {}
            _ if index < crtc::COUNT => self.crtc[index] = value,
            _ => {}
        }
    }

    fn write_attribute(&mut self, value: u8) {
        if !self.attr_data_next {
            self.attr_index = value & ATTR_INDEX;
        } else {
            let index = usize::from(self.attr_index & attr::INDEX);
            if let Some(register) = self.attr.get_mut(index) {
                let bits = match index.checked_sub(attr::PALETTE_LEN) {
                    None => attr::PALETTE_BITS,
                    Some(at) => attr::BITS[at],
                };
                *register = value & bits;
            }
        }
        self.attr_data_next = !self.attr_data_next;
    }
}
