#include "base/trace_context.h"

#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using Values = std::vector<std::string_view>;

constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kSpanId[] = "00f067aa0ba902b7";
constexpr char kParent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

bool IsId(std::string_view text, std::size_t size) {
  return text.size() == size && text.find_first_not_of("0123456789abcdef") == text.npos &&
         text.find_first_not_of('0') != text.npos;
}

// Without regular expressions, which take too long for the property below.
void ExpectValid(const TraceContext& trace) {
  EXPECT_TRUE(IsId(trace.trace_id(), 32));
  EXPECT_TRUE(IsId(trace.span_id(), 16));
  EXPECT_TRUE(trace.parent_span_id().empty() || IsId(trace.parent_span_id(), 16));
  const std::string begin = "00-" + std::string(trace.trace_id()) + "-" + std::string(trace.span_id()) + "-0";
  EXPECT_EQ(trace.traceparent().substr(0, 54), begin);
  EXPECT_EQ(trace.traceparent().substr(54).find_first_not_of("0123"), std::string::npos);
  EXPECT_EQ(trace.traceparent().size(), 55U);
  EXPECT_LE(trace.tracestate().size(), 512U);
  for (const char c : trace.tracestate()) EXPECT_TRUE((c >= ' ' && c <= '~') || c == '\t');
}

void ExpectNew(const TraceContext& trace) {
  ExpectValid(trace);
  EXPECT_NE(trace.trace_id(), kTraceId);
  EXPECT_EQ(trace.parent_span_id(), "");
  EXPECT_EQ(trace.tracestate(), "");
  EXPECT_EQ(trace.traceparent().substr(52), "-00");
}

std::string StateOf(const Values& tracestates) {
  return TraceContext::Continue(Values{kParent}, tracestates).tracestate();
}

TEST(TraceContext, ContinuesATraceWithASpanOfItsOwn) {
  const auto trace = TraceContext::Continue(Values{kParent}, Values{"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"});
  ExpectValid(trace);
  EXPECT_EQ(trace.trace_id(), kTraceId);
  EXPECT_EQ(trace.parent_span_id(), kSpanId);
  EXPECT_NE(trace.span_id(), kSpanId);
  EXPECT_EQ(trace.traceparent().substr(52), "-01");
  EXPECT_EQ(trace.tracestate(), "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
  EXPECT_NE(trace.span_id(), TraceContext::Continue(Values{kParent}, {}).span_id());
}

TEST(TraceContext, KeepsTheFlagsThatAreDefined) {
  const std::string ids = std::string(kParent).substr(0, 53);
  for (const auto& [sent, kept] : std::vector<std::pair<std::string, std::string>>{
           {"00", "00"}, {"01", "01"}, {"02", "02"}, {"03", "03"}, {"04", "00"}, {"fd", "01"}, {"ff", "03"}}) {
    const std::string parent = ids + sent;
    EXPECT_EQ(TraceContext::Continue(Values{parent}, {}).traceparent().substr(53), kept) << sent;
  }
}

TEST(TraceContext, BeginsATraceInPlaceOfOneThatIsNotWellFormed) {
  const std::string good = kParent;
  const auto with = [&](std::size_t at, std::string_view text) {
    std::string changed = good;
    return changed.replace(at, text.size(), text);
  };
  std::vector<std::string> bad = {"",
                                  " ",
                                  "-",
                                  good.substr(0, 54),
                                  good + "0",
                                  good + "-",
                                  good + "-00",
                                  " " + good,
                                  good + " ",
                                  good + "\r\nSet-Cookie: a=b",
                                  good + "," + good,
                                  good.substr(0, 53),
                                  good.substr(3),
                                  std::string(10'240, 'a'),
                                  std::string(10'240, '0'),
                                  std::string(55, '\0'),
                                  good.substr(0, 54) + std::string(1, '\0')};
  bad.push_back(with(0, "ff"));
  bad.push_back(with(0, "01"));
  bad.push_back(with(0, "01") + "-what-comes-later");
  bad.push_back(with(0, "0g"));
  bad.push_back(with(3, std::string(32, '0')));
  bad.push_back(with(36, std::string(16, '0')));
  bad.push_back(with(53, "0A"));
  for (const char* c : {"A", "F", "g", " ", "-", "\x80", "\n", "\xff", "`", "/", ":", "@"}) {
    for (const std::size_t at : {3U, 34U, 36U, 51U, 53U, 54U}) bad.push_back(with(at, c));
  }
  for (const std::size_t at : {2U, 35U, 52U}) {
    for (const char* c : {"0", "_", " ", "\xe2"}) bad.push_back(with(at, c));
  }
  for (const std::string& parent : bad) {
    SCOPED_TRACE(parent.substr(0, 80));
    ExpectNew(TraceContext::Continue(Values{parent}, Values{"rojo=1"}));
    EXPECT_EQ(TraceContext::TraceIdIn(parent), std::nullopt);
  }
  EXPECT_EQ(TraceContext::TraceIdIn(good), kTraceId);
  ExpectNew(TraceContext());
  ExpectNew(TraceContext::Continue({}, {}));
  ExpectNew(TraceContext::Continue({}, Values{"rojo=1"}));
  ExpectNew(TraceContext::Continue(Values{kParent, kParent}, Values{"rojo=1"}));
  ExpectNew(TraceContext::Continue(Values{kParent, ""}, Values{"rojo=1"}));
}

TEST(TraceContext, PassesOnAStateThatIsWellFormedAsItIs) {
  const std::string key256 = std::string(256, 'k');
  std::string most;
  for (int i = 0; i < 32; ++i) most += (i > 0 ? ",k" : "k") + std::to_string(i) + "=v";
  const std::string longest = "a=" + std::string(253, 'v') + ",bb=" + std::string(253, 'v');
  ASSERT_EQ(longest.size(), 512U);
  for (const std::string& state :
       {std::string("a=b"), std::string("a= b"), std::string("a=1 , b=2\t,c=3"), std::string("a=1,,b=2, "),
        std::string("fw529a3039@dt=FfVkQ,0tenant@vendor=1"), std::string("a_-*/9=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~"),
        key256 + "=v", "k=" + std::string(256, 'v'), most, longest}) {
    EXPECT_EQ(StateOf({state}), state);
  }
}

TEST(TraceContext, JoinsStatesInTheirOrder) {
  EXPECT_EQ(StateOf({"b=1", "a=2, c=3", "d=4"}), "b=1,a=2, c=3,d=4");
  EXPECT_EQ(StateOf({"", "a=2", ""}), "a=2,");
  EXPECT_EQ(StateOf({"a=1", "b=2", "a=3"}), "");
  const std::string half = "a=" + std::string(254, 'v');
  EXPECT_EQ(StateOf({half, "b" + half.substr(1, 254)}).size(), 512U);
  EXPECT_EQ(StateOf({half, "b" + half.substr(1)}), "");
}

TEST(TraceContext, DropsAStateThatIsNotWellFormedAndKeepsTheTrace) {
  std::string many;
  for (int i = 0; i < 33; ++i) many += (i > 0 ? ",k" : "k") + std::to_string(i) + "=v";
  for (const std::string& state : {std::string(),
                                   std::string(" "),
                                   std::string(",,"),
                                   std::string("a"),
                                   std::string("=b"),
                                   std::string("a="),
                                   std::string("a= "),
                                   std::string("a=b=c"),
                                   std::string("A=b"),
                                   std::string("a b=c"),
                                   std::string("a =b"),
                                   std::string("_a=b"),
                                   std::string("@a=b"),
                                   std::string("a=b,a=c"),
                                   std::string("a=b,c"),
                                   std::string("a=\x01"),
                                   std::string("a=b\tc"),
                                   std::string("a=b\r\nSet-Cookie: x"),
                                   std::string("a=\x7f"),
                                   std::string("a=\x80"),
                                   std::string("a=\xc3\xa9"),
                                   std::string("\xff=b"),
                                   std::string("a=b\0c", 5),
                                   many,
                                   std::string(257, 'k') + "=v",
                                   "k=" + std::string(257, 'v'),
                                   "a=" + std::string(253, 'v') + ",bb=" + std::string(254, 'v'),
                                   std::string(10'240, 'a'),
                                   "a=" + std::string(10'240, 'v'),
                                   std::string(10'240, ',')}) {
    const auto trace = TraceContext::Continue(Values{kParent}, Values{state});
    EXPECT_EQ(trace.tracestate(), "") << state.substr(0, 80);
    EXPECT_EQ(trace.trace_id(), kTraceId);
  }
}

// Whatever comes in, what goes out is valid, and is taken for what it is by the next of us.
TEST(TraceContext, IsValidWhateverComesIn) {
  std::mt19937 random(7);
  const auto some = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
  int continued = 0;
  int stated = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string parent = kParent;
    for (int changes = some(3); changes > 0; --changes) {
      const auto at = static_cast<std::size_t>(some(static_cast<int>(parent.size())));
      if (some(4) == 0) {
        parent.erase(at, 1);
      } else {
        parent[at] = some(2) == 0 ? "0123456789abcdef-F"[some(18)] : static_cast<char>(random());
      }
    }
    std::string state;
    for (int pieces = some(12); pieces > 0; --pieces) {
      static const char* const kPieces[] = {"a=1", "b=2", "c", ",", ",", " ", "=", "key@x=v", "\xc3\xa9", "\x01", "Z"};
      state += kPieces[some(11)];
    }
    const Values parents = some(20) == 0 ? Values{parent, parent} : Values{parent};
    const auto trace = TraceContext::Continue(parents, some(2) == 0 ? Values{state} : Values{state, "z=9"});
    ExpectValid(trace);
    const auto next = TraceContext::Continue(Values{trace.traceparent()}, Values{trace.tracestate()});
    ASSERT_EQ(next.trace_id(), trace.trace_id());
    ASSERT_EQ(next.parent_span_id(), trace.span_id());
    ASSERT_EQ(next.tracestate(), trace.tracestate());
    continued += trace.parent_span_id().empty() ? 0 : 1;
    stated += trace.tracestate().empty() ? 0 : 1;
    if (::testing::Test::HasFailure()) break;
  }
  EXPECT_GT(continued, 5'000);
  EXPECT_GT(stated, 1'000);
}

TEST(TraceContext, MakesIdsThatDiffer) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    const TraceContext trace;
    ids.insert(std::string(trace.trace_id()));
    ids.insert(std::string(trace.span_id()));
  }
  EXPECT_EQ(ids.size(), 2000U);
}

}  // namespace
}  // namespace livekit::token
