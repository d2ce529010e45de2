// What C++20 builds on futexes: atomic wait and notify, latch, barrier, semaphore, and the older locks beside them.
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

constexpr int n_threads = 4;
constexpr int n_rounds = 40;

void run(auto body) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < n_threads; i++)
        threads.emplace_back(body, i);
}

void wait_and_notify() {
    std::atomic<int> word = 0;
    std::atomic<long> wide = 0;
    run([&](int self) {
        for (int i = 0; i < n_rounds; i++) {
            for (int seen = word; seen % n_threads != self; seen = word)
                word.wait(seen);
            word++;
            word.notify_all();
        }
        if (wide.fetch_add(1) + 1 == n_threads)
            wide.notify_all();
        for (long seen = wide; seen != n_threads; seen = wide)
            wide.wait(seen);
    });
    std::printf("wait: %d, wide: %ld\n", word.load(), wide.load());
    std::atomic_flag flag;
    std::jthread setter([&] {
        flag.test_and_set();
        flag.notify_one();
    });
    flag.wait(false);
    std::printf("flag: %d\n", flag.test());
}

void latch_and_barrier() {
    std::latch latch(n_threads);
    int phases = 0;
    std::atomic<int> arrived = 0;
    auto completion = [&]() noexcept { phases++; };
    std::barrier barrier(n_threads, completion);
    bool is_complete = true;
    run([&](int) {
        arrived++;
        latch.arrive_and_wait();
        if (arrived != n_threads)
            is_complete = false;
        for (int i = 0; i < n_rounds; i++)
            barrier.arrive_and_wait();
    });
    std::printf("latch: %d, barrier: %d phases\n", is_complete, phases);
}

void semaphores() {
    std::counting_semaphore<2> two(2);
    std::atomic<int> inside = 0, most = 0;
    run([&](int) {
        for (int i = 0; i < n_rounds; i++) {
            two.acquire();
            int now = ++inside;
            for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);)
                ;
            inside--;
            two.release();
        }
    });
    std::binary_semaphore none(0);
    std::printf("semaphore: at most two %d, timed %d\n", most <= 2, none.try_acquire_for(2ms));
}

void locks() {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::shared_mutex shared;
    std::timed_mutex timed;
    long counter = 0, both[2] = {0, 0};
    bool is_alike = true;
    run([&](int self) {
        for (int i = 0; i < n_rounds; i++) {
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return counter % n_threads == self; });
            counter++;
            changed.notify_all();
            lock.unlock();
            if (self % 2) {
                std::scoped_lock writer(shared);
                both[0]++, both[1]++;
            } else {
                std::shared_lock reader(shared);
                if (both[0] != both[1])
                    is_alike = false;
            }
        }
    });
    std::unique_lock held(timed);
    bool is_timed_out = !std::async(std::launch::async, [&] { return timed.try_lock_for(2ms); }).get();
    std::printf("counter %ld, shared %d %ld, timed %d\n", counter, is_alike, both[0], is_timed_out);
}

void futures() {
    std::promise<int> promise;
    std::shared_future<int> future = promise.get_future().share();
    std::atomic<int> sum = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < n_threads; i++)
            threads.emplace_back([&, future] { sum += future.get(); });
        promise.set_value(11);
    }
    std::printf("future: %d\n", sum.load());
    try {
        std::async(std::launch::async, []() -> int { throw 5; }).get();
    } catch (int thrown) {
        std::printf("thrown: %d\n", thrown);
    }
}

}  // namespace

int main() {
    wait_and_notify();
    latch_and_barrier();
    semaphores();
    locks();
    futures();
}
