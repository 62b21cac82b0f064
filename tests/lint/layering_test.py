#!/usr/bin/env python3
"""Plants violations into a small tree and checks that layering.py finds each, and nothing in the clean tree."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import layering  # noqa: E402

CLEAN = {
    "lib/base/text.h": "",
    "lib/base/secret.cc": "#include <openssl/crypto.h>\n",
    "lib/jose/jws.h": '#include "base/text.h"\n',
    "lib/token/include/livekit/token/api_key.h": '#include "livekit/token/v1/grants.pb.h"\n',
    "lib/token/api_key.cc": '#include "livekit/token/api_key.h"\n#include "jose/jws.h"\n',
    "lib/service/log.h": '#include "base/text.h"\n',
    "lib/http/server.h": '#include "service/log.h"\n',
    "lib/http/target_parser.cc": '#include "http/server.h"\n#include <httplib.h>\n',
    "server/authority.h": '#include "livekit/token/api_key.h"\n',
    "server/token_service.cc": '#include "server/authority.h"\n#include <grpcpp/grpcpp.h>\n',
    "gateway/handler.cc": '#include "http/server.h"\n',
    "gateway/standalone_main.cc": '#include "server/authority.h"\n#include "http/server.h"\n',
}


class Layering(unittest.TestCase):
    def problems(self, changes):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**CLEAN, **changes}.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return layering.check(root)[1]

    def expect(self, path, text, part):
        problems = self.problems({path: text})
        self.assertTrue(any(problem.startswith(path) and part in problem for problem in problems), problems)

    def test_accepts_the_clean_tree(self):
        self.assertEqual(self.problems({}), [])

    def test_finds_an_arrow_that_runs_back_up(self):
        self.expect("lib/base/text.h", '#include "service/log.h"\n', "may not reach lib/service")
        self.expect("lib/http/client.h", '#include "server/authority.h"\n', "may not reach server")

    def test_finds_signing_code_in_the_gateway(self):
        for header in ("livekit/token/api_key.h", "jose/jws.h", "server/authority.h"):
            self.expect("gateway/handler.cc", f'#include "{header}"\n', "may not reach")

    def test_finds_what_is_reached_through_another_header(self):
        problems = self.problems({"lib/service/log.h": '#include "jose/jws.h"\n'})
        self.assertTrue(any(problem.startswith("gateway/handler.cc") for problem in problems), problems)

    def test_finds_httplib_outside_its_file(self):
        self.expect("gateway/handler.cc", "#include <httplib.h>\n", "httplib.h")

    def test_finds_openssl_outside_its_folders(self):
        self.expect("lib/token/api_key.cc", "#include <openssl/hmac.h>\n", "openssl/hmac.h")
        self.expect("lib/base/text.h", "#include <openssl/evp.h>\n", "openssl/evp.h")

    def test_finds_grpc_in_the_core(self):
        self.expect("server/authority.h", '#include "livekit/token/v1/token_service.grpc.pb.h"\n', "gRPC")
        self.expect("lib/jose/jws.h", "#include <grpcpp/support/status.h>\n", "gRPC")

    def test_finds_a_circle(self):
        self.expect("lib/service/log.h", '#include "http/server.h"\n', "circle")

    def test_finds_a_folder_without_rule(self):
        self.expect("lib/misc/x.h", "", "do not know its folder")


if __name__ == "__main__":
    unittest.main(verbosity=0)
