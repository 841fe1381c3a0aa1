-- expect: hook_timeout
-- timeout: 100
-- Keys spread well until the table grows: then all of them collide, and growing is one instruction.
return function(event)
  if event.id == "next" then return end
  local t, stride = {}, (1 << 17) - 1
  for j = 1, 1 << 16 do t[j * stride] = true end
  t[-1], t[-2] = true, true
end
