"""Google's and Amazon's APIs over HTTP, without their SDKs: who we are there, and the values of secrets."""
