// Drives one of ns-3's queue discs with scripted arrivals and a link of a fixed
// rate, and prints what it decides, for uq's own scheduler to be held against.
//
//   ns3 TypeId RATE [Attribute=Value ...] < arrivals
//
// RATE is in bytes per second and divides 10^9. An arrival is a line
// "time_ns id flow bytes ecn", ecn as in the IP header; a decision is a line
// "send|drop|mark time_ns id [reason]".
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "ns3/core-module.h"
#include "ns3/network-module.h"
#include "ns3/traffic-control-module.h"

using namespace ns3;

// Item is a packet as a queue disc sees it: a length, a flow and an ECN field.
class Item : public QueueDiscItem {
 public:
  Item(uint64_t id, uint32_t flow, uint32_t bytes, int ecn)
      : QueueDiscItem(Create<Packet>(bytes), Address(), 0), id(id), flow(flow), ecn(ecn) {}
  void AddHeader() override {}
  bool Mark() override {
    if (ecn == 0) return false;
    ecn = 3;
    return true;
  }
  bool GetUint8Value(Uint8Values field, uint8_t& value) const override {
    if (field != IP_DSFIELD) return false;
    value = ecn;
    return true;
  }
  uint32_t Hash(uint32_t) const override { return flow; }

  const uint64_t id;
  const uint32_t flow;
  int ecn;
};

static Ptr<QueueDisc> disc;
static int64_t ns_per_byte;
static bool busy;

static void say(const char* what, Ptr<const QueueDiscItem> item, const char* why) {
  auto p = DynamicCast<const Item>(item);
  printf("%s %lld %llu %s\n", what, (long long)Simulator::Now().GetNanoSeconds(), (unsigned long long)p->id, why);
}

// dropped hears of every packet the disc gives up, whenever it does.
static void droppedBefore(Ptr<const QueueDiscItem> item, const char* why) { say("drop", item, why); }
static void droppedAfter(Ptr<const QueueDiscItem> item, const char* why) { say("drop", item, why); }
static void marked(Ptr<const QueueDiscItem> item, const char* why) { say("mark", item, why); }

// serve sends the next packet; when it is through the disc is asked again, once
// even if nothing is queued.
static void serve() {
  Ptr<QueueDiscItem> item = disc->Dequeue();
  busy = item != nullptr;
  if (!busy) return;
  say("send", item, "");
  Simulator::Schedule(NanoSeconds(int64_t(item->GetSize()) * ns_per_byte), &serve);
}

// arrive hands over one packet and waits for the next, so that whatever is due
// at the same time happens first.
static void arrive(Ptr<Item> item) {
  item->SetTimeStamp(Simulator::Now());
  disc->Enqueue(item);
  if (!busy) serve();
}

static void next() {
  long long at;
  unsigned long long id;
  unsigned flow, bytes;
  int ecn;
  static Ptr<Item> waiting;
  if (waiting) arrive(waiting);
  waiting = nullptr;
  if (scanf("%lld %llu %u %u %d", &at, &id, &flow, &bytes, &ecn) != 5) return;
  waiting = Create<Item>(id, flow, bytes, ecn);
  Simulator::Schedule(NanoSeconds(at) - Simulator::Now(), &next);
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s TypeId BYTES_PER_SECOND [Attribute=Value ...] < arrivals\n", argv[0]);
    return 2;
  }
  ns_per_byte = 1000000000 / atoll(argv[2]);
  RngSeedManager::SetSeed(1);
  ObjectFactory factory(argv[1]);
  for (int i = 3; i < argc; i++) {
    char* eq = strchr(argv[i], '=');
    if (!eq) {
      fprintf(stderr, "%s: want Attribute=Value\n", argv[i]);
      return 2;
    }
    factory.Set(std::string(argv[i], eq - argv[i]), StringValue(eq + 1));
  }
  disc = factory.Create<QueueDisc>();
  // Without a device a disc does not know the MTU, which is its quantum.
  if (auto fq = DynamicCast<FqCoDelQueueDisc>(disc)) fq->SetQuantum(1514);
  disc->TraceConnectWithoutContext("DropBeforeEnqueue", MakeCallback(&droppedBefore));
  disc->TraceConnectWithoutContext("DropAfterDequeue", MakeCallback(&droppedAfter));
  disc->TraceConnectWithoutContext("Mark", MakeCallback(&marked));
  disc->Initialize();
  Simulator::ScheduleNow(&next);
  Simulator::Stop(Seconds(3600));
  Simulator::Run();
  return 0;
}
