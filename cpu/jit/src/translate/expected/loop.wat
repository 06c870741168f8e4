;;   0  mov ecx,64h
;;   5  add rax,rdx
;;   8  dec ecx
;;   a  jne 5h
;;   c  hlt
  (func (;3;) (type 0) (param i32) (result i32)
    (local i64 i32 i32 i64 i64 i64 i32 i64 i64 i64 i64 i64 i64 i32 i32 i32)
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
    i64.load offset=1048592 align=1
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
                  i32.const 4
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
                i32.const 4
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
                    block ;; label = @9
                      block ;; label = @10
                        local.get 0
                        i32.const -1225360499
                        i32.mul
                        i32.const 30
                        i32.shr_u
                        br_table 1 (;@9;) 0 (;@10;) 3 (;@7;) 0 (;@10;) 0 (;@10;)
                      end
                      local.get 1
                      local.get 0
                      i64.extend_i32_s
                      i64.add
                      local.set 6
                      br 5 (;@4;)
                    end
                    local.get 0
                    i32.const 0
                    i32.ne
                    (@metadata.code.branch_hint "\00")
                    if ;; label = @9
                      local.get 1
                      local.get 0
                      i64.extend_i32_s
                      i64.add
                      local.set 6
                      br 5 (;@4;)
                    end
                  end
                  local.get 2
                  i32.const 1
                  i32.sub
                  local.set 2
                  i32.const 100
                  i64.extend_i32_u
                  local.set 9
                  br 1 (;@6;)
                end
                local.get 0
                i32.const 5
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
              loop ;; label = @6
                block ;; label = @7
                  block ;; label = @8
                    local.get 2
                    i32.const 4
                    i32.lt_s
                    (@metadata.code.branch_hint "\00")
                    br_if 0 (;@8;)
                    i32.const 0
                    i32.load offset=4194304 align=1
                    i32.eqz
                    (@metadata.code.branch_hint "\01")
                    br_if 1 (;@7;)
                  end
                  local.get 2
                  i32.const 4
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
                  if ;; label = @8
                    local.get 1
                    i64.const 5
                    i64.add
                    local.set 6
                    i32.const 2
                    local.set 7
                    br 5 (;@3;)
                  end
                end
                local.get 2
                i32.const 3
                i32.sub
                local.set 2
                local.get 8
                local.set 11
                local.get 10
                local.set 12
                local.get 11
                local.get 12
                i64.add
                local.set 13
                local.get 13
                local.set 4
                local.get 12
                local.set 5
                local.get 13
                local.set 8
                local.get 9
                i32.wrap_i64
                local.set 14
                local.get 4
                local.get 5
                i64.lt_u
                local.set 15
                local.get 14
                i32.const 1
                i32.sub
                local.set 16
                local.get 16
                i64.extend_i32_u
                local.set 4
                local.get 15
                i64.extend_i32_u
                local.set 5
                local.get 16
                i64.extend_i32_u
                local.set 9
                local.get 4
                i32.wrap_i64
                i32.eqz
                i32.eqz
                if ;; label = @7
                  i32.const 38
                  local.set 3
                  br 1 (;@6;)
                end
                local.get 2
                i32.const 1
                i32.sub
                local.set 2
                i32.const 38
                local.set 3
                i32.const 0
                local.get 1
                i64.const 12
                i64.add
                i64.store offset=1048704 align=1
                i32.const 0
                local.get 8
                i64.store offset=1048576 align=1
                i32.const 0
                local.get 9
                i64.store offset=1048584 align=1
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
                br_if 4 (;@2;)
                i32.const 0
                local.get 2
                i32.store offset=3145728 align=1
                i32.const 0
                i64.load offset=1048704 align=1
                local.set 6
                br 5 (;@1;)
              end
              unreachable
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
        local.get 9
        i64.store offset=1048584 align=1
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
    local.set 16
    local.get 16
    i64.load offset=3178568 align=1
    local.get 6
    i32.const 0
    i64.load offset=3145752 align=1
    i64.xor
    i64.eq
    if ;; label = @1
      local.get 16
      i32.load offset=3178580 align=1
      local.get 16
      i32.load offset=3178576 align=1
      return_call_indirect (type 0)
    end
    i32.const 0
  )
)
