local url = require "moongate.go_url"

-- What url.Parse and String of Go 1.26.8 gave; false: it refused.
local answers = {
  {"f7c2a9d81b5e4/end-node", "f7c2a9d81b5e4/end-node"},
  {"f1/n0/2", "f1/n0/2"},
  {"f1/it's(1)!*[0],a;b=c@d$e+f%2F", "f1/it's(1)!*[0],a;b=c@d$e+f%2F"},
  {"f1/it's(1) !*[0],a;b=c@d$e+f%2F", "f1/it%27s%281%29%20%21%2A%5B0%5D,a;b=c@d$e+f/"},
  {"a<b>&c \xe2\x80\xa8\xc3\xa9/n", "a%3Cb%3E&c%20%E2%80%A8%C3%A9/n"},
  {"\xc2\x85/n", "%C2%85/n"},
  {"a\\b^`{|}\"/n", "a%5Cb%5E%60%7B%7C%7D%22/n"},
  {"%/n", false},
  {"%2/n", false},
  {"%zz/n", false},
  {"a%3Ab/n", "a%3Ab/n"},
  {"a%3Ab c/n", "./a:b%20c/n"},
  {"%41/n", "%41/n"},
  {"%41 /n", "A%20/n"},
  {"%c3%a9/n", "%c3%a9/n"},
  {"%e2 /n", "%E2%20/n"},
  {"a\x09b/n", false},
  {"a\x7fb/n", false},
  {"a:b/n", "a:b/n"},
  {"Ab:c \xc3\xa9/n", "ab:c \xc3\xa9/n"},
  {"1a:b/n", false},
  {":b/n", false},
  {"a_b:c/n", false},
  {"a.b-c+d:e/n", "a.b-c+d:e/n"},
  {"\xc3\xa9:b/n", false},
  {"a:/n", "a:/n"},
  {"a://h/n", "a://h/n"},
  {"/end-node", "/end-node"},
  {"//end-node", "//end-node"},
  {"///end-node", "///end-node"},
  {"//h/end-node", "//h/end-node"},
  {"//h:80/n", "//h:80/n"},
  {"//h:8x/n", false},
  {"//h%41/n", false},
  {"//h%c3/n", "//h%C3/n"},
  {"//h%25/n", "//h%25/n"},
  {"//h \xc3\xa9/n", false},
  {"//h\xc3\xa9/n", "//h%C3%A9/n"},
  {"//a:b:80/n", "//a:b:80/n"},
  {"http://a:b:80/n", false},
  {"http://a:80:/n", false},
  {"//u:p@h/n", "//u:p@h/n"},
  {"//u@h/n", "//u@h/n"},
  {"//u@v:p@q@h/n", "//u%40v:p%40q@h/n"},
  {"//@/n", "//@/n"},
  {"//u \xc3\xa9@h/n", false},
  {"//u%20:%2fp@h/n", "//u%20:%2Fp@h/n"},
  {"//u%zz@h/n", false},
  {"//[::1]/n", "//[::1]/n"},
  {"//[::1]:80/n", "//[::1]:80/n"},
  {"//[::1]:x/n", false},
  {"//[::1/n", false},
  {"//x[::1]/n", false},
  {"//[1::2::3]/n", false},
  {"//[1:2:3:4:5:6:7:8]/n", "//[1:2:3:4:5:6:7:8]/n"},
  {"//[1:2:3:4:5:6:7]/n", false},
  {"//[1::3:4:5:6:7:8]/n", "//[1::3:4:5:6:7:8]/n"},
  {"//[1:2:3:4:5:6:7::]/n", "//[1:2:3:4:5:6:7::]/n"},
  {"//[::1:2:3:4:5:6:7:8]/n", false},
  {"//[12345::]/n", false},
  {"//[::1.2.3.4]/n", "//[::1.2.3.4]/n"},
  {"//[::1.2.3.04]/n", false},
  {"//[::1.2.3.256]/n", false},
  {"//[::1.2.3]/n", false},
  {"//[1.2.3.4]/n", false},
  {"//[fe80::1%25en0]/n", "//[fe80::1%25en0]/n"},
  {"//[fe80::1%25e%20n]/n", "//[fe80::1%25e%20n]/n"},
  {"//[fe80::1%25]/n", false},
  {"//[fe80::1%en0]/n", false},
  {"//[:]/n", false},
  {"//[]/n", false},
  {"http:/n", "http:/n"},
  {"http:///n", "http:///n"},
  {"HTTP://H/n", "http://H/n"},
  {"a?/n", "a?/n"},
  {"a?b c \xc3\xa9%zz#/n", "a?b c \xc3\xa9%zz#/n"},
  {"a?b?c/n", "a?b?c/n"},
  {"?", "?"},
  {"a?#x", "a?#x"},
  {"a#", "a"},
  {"a#b c'!()*%41/n", "a#b%20c%27!()*A/n"},
  {"a#b%zz", false},
  {"a#b%41 c", "a#bA%20c"},
  {"a#b#c", "a#b%23c"},
  {"a#b\x0ac", "a#b%0Ac"},
  {"a?b\x0ac", false},
  {"a:?q", "a:?q"},
  {"a:#f", "a:#f"},
  {"a:b?c#d", "a:b?c#d"},
  {"//h?q/n", "//h?q/n"},
  {"*", "*"},
  {"**/n", "**/n"},
}

describe("moongate.go_url", function()
  it("says what Go says", function()
    for _, answer in ipairs(answers) do
      assert.equal(answer[2], url.again(answer[1]) or false, answer[1])
    end
  end)
  it("says why it refuses", function()
    for text, why in pairs {
      ["1a:b"] = "a colon in the first segment, and what stands before it is no scheme",
      [":b"] = "a colon that nothing stands before",
      ["%zz"] = "a % without two hex digits", ["a#%z"] = "a % without two hex digits", ["a\nb"] = "a control character",
      ["//h:x/"] = "a host, port or user that cannot be",
    } do
      local again, said = url.again(text)
      assert.is_nil(again)
      assert.equal(why, said)
    end
  end)
  it("leaves what it printed as it is", function()
    for _, answer in ipairs(answers) do
      if answer[2] then assert.equal(answer[2], url.again(answer[2]), answer[1]) end
    end
  end)
end)
