//! The VESA protected-mode interface (VBE Core Functions Standard 3.0, function 0Ah): a table of
//! offsets, then 32-bit code that drives the Bochs VBE registers 1CEh and 1CFh.

/// The interface. It does not depend on where it lies.
#[rustfmt::skip]
pub(super) const PM_INTERFACE: [u8; 207] = [
    // Offsets of: set window, set display start, set palette; no port list.
    0x08, 0x00, 0x38, 0x00, 0xa4, 0x00, 0x00, 0x00,
    // set_window
    0x80, 0xff, 0x01,                          // cmp bh,1
    0x74, 0x17,                                // je .get
    0x52,                                      // push edx
    0x66, 0xba, 0xce, 0x01,                    // mov dx,1CEh
    0x66, 0xb8, 0x05, 0x00,                    // mov ax,5
    0x66, 0xef,                                // out dx,ax
    0x42,                                      // inc edx
    0x8b, 0x04, 0x24,                          // mov eax,[esp]
    0x66, 0xef,                                // out dx,ax
    0x5a,                                      // pop edx
    0x66, 0xb8, 0x4f, 0x00,                    // mov ax,4Fh
    0xc3,                                      // ret
    // .get
    0x66, 0xba, 0xce, 0x01,                    // mov dx,1CEh
    0x66, 0xb8, 0x05, 0x00,                    // mov ax,5
    0x66, 0xef,                                // out dx,ax
    0x42,                                      // inc edx
    0x66, 0xed,                                // in ax,dx
    0x89, 0xc2,                                // mov edx,eax
    0x66, 0xb8, 0x4f, 0x00,                    // mov ax,4Fh
    0xc3,                                      // ret
    // set_start
    0x53,                                      // push ebx
    0x51,                                      // push ecx
    0x52,                                      // push edx
    0x56,                                      // push esi
    0x0f, 0xb7, 0xf2,                          // movzx esi,dx
    0xc1, 0xe6, 0x10,                          // shl esi,16
    0x66, 0x89, 0xce,                          // mov si,cx
    0xc1, 0xe6, 0x02,                          // shl esi,2
    0x66, 0xba, 0xce, 0x01,                    // mov dx,1CEh
    0x66, 0xb8, 0x06, 0x00,                    // mov ax,6
    0x66, 0xef,                                // out dx,ax
    0x42,                                      // inc edx
    0x66, 0xed,                                // in ax,dx
    0x0f, 0xb7, 0xc8,                          // movzx ecx,ax
    0x4a,                                      // dec edx
    0x66, 0xb8, 0x03, 0x00,                    // mov ax,3
    0x66, 0xef,                                // out dx,ax
    0x42,                                      // inc edx
    0x66, 0xed,                                // in ax,dx
    0x0f, 0xb7, 0xd8,                          // movzx ebx,ax
    0x83, 0xc3, 0x07,                          // add ebx,7
    0xc1, 0xeb, 0x03,                          // shr ebx,3
    0x0f, 0xaf, 0xcb,                          // imul ecx,ebx
    0xe3, 0x2b,                                // jecxz .done
    0x89, 0xf0,                                // mov eax,esi
    0x31, 0xd2,                                // xor edx,edx
    0xf7, 0xf1,                                // div ecx
    0x89, 0xc6,                                // mov esi,eax
    0x89, 0xd0,                                // mov eax,edx
    0x31, 0xd2,                                // xor edx,edx
    0xf7, 0xf3,                                // div ebx
    0x89, 0xc1,                                // mov ecx,eax
    0x66, 0xba, 0xce, 0x01,                    // mov dx,1CEh
    0x66, 0xb8, 0x08, 0x00,                    // mov ax,8
    0x66, 0xef,                                // out dx,ax
    0x42,                                      // inc edx
    0x89, 0xc8,                                // mov eax,ecx
    0x66, 0xef,                                // out dx,ax
    0x4a,                                      // dec edx
    0x66, 0xb8, 0x09, 0x00,                    // mov ax,9
    0x66, 0xef,                                // out dx,ax
    0x42,                                      // inc edx
    0x89, 0xf0,                                // mov eax,esi
    0x66, 0xef,                                // out dx,ax
    // .done
    0x5e,                                      // pop esi
    0x5a,                                      // pop edx
    0x59,                                      // pop ecx
    0x5b,                                      // pop ebx
    0x66, 0xb8, 0x4f, 0x00,                    // mov ax,4Fh
    0xc3,                                      // ret
    // set_palette
    0x51,                                      // push ecx
    0x52,                                      // push edx
    0x57,                                      // push edi
    0x0f, 0xb7, 0xc9,                          // movzx ecx,cx
    0xe3, 0x1b,                                // jecxz .end
    0x88, 0xd0,                                // mov al,dl
    0x66, 0xba, 0xc8, 0x03,                    // mov dx,3C8h
    0xee,                                      // out dx,al
    0x42,                                      // inc edx
    // .next
    0x26, 0x8a, 0x47, 0x02,                    // mov al,[es:edi+2]
    0xee,                                      // out dx,al
    0x26, 0x8a, 0x47, 0x01,                    // mov al,[es:edi+1]
    0xee,                                      // out dx,al
    0x26, 0x8a, 0x07,                          // mov al,[es:edi]
    0xee,                                      // out dx,al
    0x83, 0xc7, 0x04,                          // add edi,4
    0xe2, 0xed,                                // loop .next
    // .end
    0x5f,                                      // pop edi
    0x5a,                                      // pop edx
    0x59,                                      // pop ecx
    0x66, 0xb8, 0x4f, 0x00,                    // mov ax,4Fh
    0xc3,                                      // ret
];
