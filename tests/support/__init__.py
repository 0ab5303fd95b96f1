"""What tests share: private stores, whole processes, scripted outside servers, requests."""
