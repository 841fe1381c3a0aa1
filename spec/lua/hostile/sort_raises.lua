-- expect: hook_error
-- says: the error is a table
return function(event)
  if event.id == "next" then return end
  table.sort({3, 2, 1}, function() error(setmetatable({}, {__tostring = function() while true do end end})) end)
end
