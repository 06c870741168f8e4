;;   0  mov eax,[rbx+rcx*4+10h]
;;   4  mov [rbx],eax
;;   6  hlt
  (func (;3;) (type 0) (param i32) (result i32)
    (local i64 i32 i32 i64 i64 i64 i32 i64 i64 i64 i64 i32 i32)
    i32.const 0
    i64.load offset=1048704 align=1
    local.get 0
    i64.extend_i32_s
    i64.sub
    local.set 1
    i32.const 0
    i32.load offset=3145728 align=1
    local.set 2
    i32.const 0
    i64.load offset=1048576 align=1
    local.set 8
    i32.const 0
    i64.load offset=1048584 align=1
    local.set 9
    i32.const 0
    i64.load offset=1048600 align=1
    local.set 10
    i32.const 0
    i32.load offset=3145732 align=1
    local.set 3
    i32.const 0
    i64.load offset=3145736 align=1
    local.set 4
    i32.const 0
    i64.load offset=3145744 align=1
    local.set 5
    block ;; label = @1
      block ;; label = @2
        block ;; label = @3
          block ;; label = @4
            loop ;; label = @5
              block ;; label = @6
                block ;; label = @7
                  local.get 2
                  i32.const 3
                  i32.lt_s
                  (@metadata.code.branch_hint "\00")
                  br_if 0 (;@7;)
                  i32.const 0
                  i32.load offset=4194304 align=1
                  i32.eqz
                  (@metadata.code.branch_hint "\01")
                  br_if 1 (;@6;)
                end
                local.get 2
                i32.const 3
                i32.lt_s
                i32.const 0
                i32.load offset=4194304 align=1
                i32.const -2
                i32.and
                i32.or
                i32.const 0
                i32.load offset=1048728 align=1
                i32.const 512
                i32.and
                i32.or
                if ;; label = @7
                  local.get 1
                  local.get 0
                  i64.extend_i32_s
                  i64.add
                  local.set 6
                  i32.const 2
                  local.set 7
                  br 4 (;@3;)
                end
              end
              block ;; label = @6
                block ;; label = @7
                  block ;; label = @8
                    local.get 0
                    i32.const -1640531535
                    i32.mul
                    i32.const 31
                    i32.shr_u
                    br_table 1 (;@7;) 0 (;@8;) 0 (;@8;)
                  end
                  local.get 1
                  local.get 0
                  i64.extend_i32_s
                  i64.add
                  local.set 6
                  br 3 (;@4;)
                end
                local.get 0
                i32.const 0
                i32.ne
                (@metadata.code.branch_hint "\00")
                if ;; label = @7
                  local.get 1
                  local.get 0
                  i64.extend_i32_s
                  i64.add
                  local.set 6
                  br 3 (;@4;)
                end
              end
              local.get 2
              i32.const 3
              i32.sub
              local.set 2
              local.get 10
              local.get 9
              i64.const 2
              i64.shl
              i64.add
              i64.const 16
              i64.add
              local.set 11
              local.get 11
              i32.wrap_i64
              i32.const 8
              i32.shr_u
              i32.const 16368
              i32.and
              local.set 12
              local.get 11
              local.get 12
              i64.load offset=2147072 align=1
              i64.sub
              i64.const 4092
              i64.gt_u
              (@metadata.code.branch_hint "\00")
              if (result i32) ;; label = @6
                local.get 11
                i32.const 4
                call 0
                local.set 13
                local.get 13
                i32.const -1
                i32.eq
                (@metadata.code.branch_hint "\00")
                if ;; label = @7
                  local.get 2
                  i32.const 3
                  i32.add
                  local.set 2
                  local.get 1
                  local.set 6
                  i32.const 1
                  local.set 7
                  br 4 (;@3;)
                end
                local.get 13
              else
                local.get 12
                i32.load offset=2147080 align=1
                local.get 11
                i32.wrap_i64
                i32.add
              end
              i32.load offset=268435456 align=1
              i64.extend_i32_u
              local.set 8
              local.get 10
              local.set 11
              local.get 11
              i32.wrap_i64
              i32.const 8
              i32.shr_u
              i32.const 16368
              i32.and
              local.set 12
              local.get 11
              local.get 12
              i64.load offset=2163712 align=1
              i64.sub
              i64.const 4092
              i64.gt_u
              (@metadata.code.branch_hint "\00")
              if (result i32) ;; label = @6
                local.get 11
                i32.const 4
                call 1
                local.set 13
                local.get 13
                i32.const -1
                i32.eq
                (@metadata.code.branch_hint "\00")
                if ;; label = @7
                  local.get 2
                  i32.const 2
                  i32.add
                  local.set 2
                  local.get 1
                  i64.const 4
                  i64.add
                  local.set 6
                  i32.const 1
                  local.set 7
                  br 4 (;@3;)
                end
                local.get 13
              else
                local.get 12
                i32.load offset=2163720 align=1
                local.get 11
                i32.wrap_i64
                i32.add
              end
              local.get 8
              i32.wrap_i64
              i32.store offset=268435456 align=1
              i32.const 0
              local.get 1
              i64.const 6
              i64.add
              i64.store offset=1048704 align=1
              i32.const 0
              local.get 8
              i64.store offset=1048576 align=1
              i32.const 0
              local.get 3
              i32.store offset=3145732 align=1
              i32.const 0
              local.get 4
              i64.store offset=3145736 align=1
              i32.const 0
              local.get 5
              i64.store offset=3145744 align=1
              i32.const 0
              local.get 2
              i32.const 1
              i32.add
              call 2
              local.tee 7
              (@metadata.code.branch_hint "\00")
              br_if 3 (;@2;)
              i32.const 0
              local.get 2
              i32.store offset=3145728 align=1
              i32.const 0
              i64.load offset=1048704 align=1
              local.set 6
              br 4 (;@1;)
            end
            unreachable
          end
          i32.const 0
          local.set 7
        end
        i32.const 0
        local.get 6
        i64.store offset=1048704 align=1
        i32.const 0
        local.get 2
        i32.store offset=3145728 align=1
        i32.const 0
        local.get 8
        i64.store offset=1048576 align=1
        i32.const 0
        local.get 3
        i32.store offset=3145732 align=1
        i32.const 0
        local.get 4
        i64.store offset=3145736 align=1
        i32.const 0
        local.get 5
        i64.store offset=3145744 align=1
        local.get 7
        if ;; label = @3
          local.get 7
          return
        end
        br 1 (;@1;)
      end
      local.get 7
      i32.const 5
      i32.ne
      if ;; label = @2
        local.get 7
        return
      end
      i32.const 0
      i64.load offset=1048704 align=1
      local.set 6
    end
    local.get 6
    local.get 6
    i64.const 12
    i64.shr_u
    i64.xor
    i32.wrap_i64
    i32.const 8191
    i32.and
    i32.const 16
    i32.mul
    local.set 12
    local.get 12
    i64.load offset=3178568 align=1
    local.get 6
    i32.const 0
    i64.load offset=3145752 align=1
    i64.xor
    i64.eq
    if ;; label = @1
      local.get 12
      i32.load offset=3178580 align=1
      local.get 12
      i32.load offset=3178576 align=1
      return_call_indirect (type 0)
    end
    i32.const 0
  )
)
