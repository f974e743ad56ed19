import os

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # as in a plugin: these tests start processes beside gRPC's threads
