import time
def test_a(trained, trained_on_bytes, textgen):
    t=time.time()
    print(trained.outcome)
    print(trained_on_bytes.outcome, time.time()-t)
    t=time.time()
    print(textgen("sample", trained.run, "--seed","1", "-n", "30"), time.time()-t); t=time.time()
    print(textgen("train", "nofile"), time.time()-t); t=time.time()
    print(textgen("train", trained.text, "--lr", "nan"), time.time()-t); t=time.time()
    print(textgen("train", "-", stdin=b"a"), time.time()-t); t=time.time()
    print(textgen.train("-", stdin=b"abc"*1000), time.time()-t); t=time.time()
    with textgen.screen() as s:
        print(textgen.train("-", stdin=b"abc"*1000, stderr=s), time.time()-t); t=time.time()
    print(repr(s.text))
    assert 0
