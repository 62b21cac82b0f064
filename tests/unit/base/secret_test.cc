#include "base/secret.h"

#include <array>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "gtest/gtest.h"

namespace livekit::token {
namespace {

template <typename T, typename = void>
struct IsPrintable : std::false_type {};
template <typename T>
struct IsPrintable<T, std::void_t<decltype(std::declval<std::ostream&>() << std::declval<const T&>())>>
    : std::true_type {};

static_assert(IsPrintable<std::string>::value, "the check itself works");
static_assert(!IsPrintable<Secret>::value);
static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_copy_assignable_v<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);

TEST(Secret, TakesTheBytesAndWipesTheirSource) {
  for (const std::size_t size : {std::size_t{5}, std::size_t{500}}) {  // inside the string object and on the heap
    std::string source(size, 's');
    const char* const bytes = source.data();
    const Secret secret(std::move(source));
    EXPECT_EQ(secret.Reveal(), std::string(size, 's'));
    EXPECT_TRUE(source.empty());  // NOLINT(bugprone-use-after-move): the promise under test
    // The buffer is still the source's own.
    EXPECT_EQ(source.data(), bytes);
    EXPECT_EQ(std::string(bytes + 1, 4).find('s'), std::string::npos);
  }
}

TEST(Secret, LeavesNothingBehindWhenMoved) {
  Secret first = Secret::CopyOf("short");
  Secret second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(second.Reveal(), "short");
  first = std::move(second);
  EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(first.Reveal(), "short");
  Secret& alias = first;
  first = std::move(alias);
  EXPECT_EQ(first.Reveal(), "short");
}

TEST(Secret, ClonesOnlyWhenAsked) {
  const Secret original = Secret::CopyOf(std::string_view("a\0b", 3));
  const Secret copy = original.Clone();
  EXPECT_EQ(copy.Reveal(), original.Reveal());
  EXPECT_NE(copy.Reveal().data(), original.Reveal().data());
  EXPECT_EQ(copy.size(), 3u);
}

TEST(Wipe, OverwritesUpToTheCapacity) {
  std::string text(100, 'x');
  const char* const bytes = text.data();
  text.resize(10);
  Wipe(text);
  EXPECT_TRUE(text.empty());
  ASSERT_EQ(text.data(), bytes);
  for (int i = 1; i < 100; ++i) ASSERT_NE(bytes[i], 'x') << i;
}

TEST(ConstantTimeEquals, ComparesAllBytes) {
  EXPECT_TRUE(ConstantTimeEquals("", ""));
  EXPECT_TRUE(ConstantTimeEquals("secret", "secret"));
  EXPECT_FALSE(ConstantTimeEquals("secret", "secreT"));
  EXPECT_FALSE(ConstantTimeEquals("Secret", "secret"));
  EXPECT_FALSE(ConstantTimeEquals("secret", "secre"));
  EXPECT_FALSE(ConstantTimeEquals(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
}

TEST(RandomBytes, FillsAndDiffers) {
  std::array<unsigned char, 64> a{};
  std::array<unsigned char, 64> b{};
  RandomBytes(a.data(), a.size());
  RandomBytes(b.data(), b.size());
  EXPECT_NE(a, b);
  EXPECT_NE(a, (std::array<unsigned char, 64>{}));
}

}  // namespace
}  // namespace livekit::token
