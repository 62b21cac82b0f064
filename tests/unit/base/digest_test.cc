#include "base/digest.h"

#include "base/text.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

// FIPS 180-4, example of one block.
TEST(Sha256, HashesAsTheStandardSays) {
  EXPECT_EQ(HexEncode(Sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HexEncode(Sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace livekit::token
