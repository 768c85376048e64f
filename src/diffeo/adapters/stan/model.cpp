// Doors to one compiled Stan program; stanc's C++ for the program is compiled in front of this text.
// Every failure becomes a string: no exception may cross into Python.
#include <stan/io/json/json_data.hpp>
#include <stan/model/log_prob_grad.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#define DIFFEO_DOOR extern "C" __attribute__((visibility("default")))

namespace {

using Model = stan::model::model_base;
using Map = Eigen::Map<const Eigen::VectorXd>;

// below this many rows a thread costs more than it saves
constexpr long rows_per_thread = 8;

char* copy_of(const std::string& text) {
  char* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy) std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

struct Failures {
  long rows = 0;
  std::string first;

  void add(const char* message) {
    if (rows++ == 0) first = message;
  }
  long report(char** message) const {
    if (rows) *message = copy_of(first);
    return rows;
  }
};

double density(const Model& model, Eigen::VectorXd& row, double* gradient) {
  if (!gradient) return model.log_prob_jacobian(row, nullptr);
  Eigen::VectorXd slope;
  const double value = stan::model::log_prob_grad<false, true>(model, row, slope, nullptr);
  Eigen::Map<Eigen::VectorXd>(gradient, row.size()) = slope;
  return value;
}

// A row where the program fails has density zero: -inf with a gradient of zero.
void evaluate(const Model& model, long begin, long end, const double* z, double* values,
              double* gradients, Failures& failures) {
  const long dim = model.num_params_r();
  stan::math::ChainableStack tape;  // this thread's own, where it has none yet
  for (long i = begin; i < end; ++i) {
    double* gradient = gradients ? gradients + i * dim : nullptr;
    try {
      Eigen::VectorXd row = Map(z + i * dim, dim);
      values[i] = density(model, row, gradient);
      if (!std::isnan(values[i])) continue;
      failures.add("the log-density is NaN");
    } catch (const std::exception& error) {
      failures.add(error.what());
    } catch (...) {
      failures.add("unknown C++ exception");
    }
    values[i] = -std::numeric_limits<double>::infinity();
    if (gradient) std::fill(gradient, gradient + dim, 0.0);
  }
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += name + "\n";
  return text;
}

// The transformed parameters of a row may fail where its parameters are fine: those stay NaN.
void constrain(const Model& model, Eigen::VectorXd& row, long width, double* out) {
  stan::rng_t generator(1);  // asked for, and used by generated quantities alone
  Eigen::VectorXd values;
  try {
    model.write_array(generator, row, values, true, false, nullptr);
  } catch (const std::exception&) {
    model.write_array(generator, row, values, false, false, nullptr);
  }
  std::fill(out, out + width, std::numeric_limits<double>::quiet_NaN());
  std::copy_n(values.data(), std::min<long>(width, values.size()), out);
}

}  // namespace

DIFFEO_DOOR Model* diffeo_create(const char* json, char** message) {
  try {
    std::istringstream text(json);
    stan::json::json_data data(text);
    return &new_model(data, 1, nullptr);
  } catch (const std::exception& error) {
    *message = copy_of(error.what());
  } catch (...) {
    *message = copy_of("unknown C++ exception");
  }
  return nullptr;
}

DIFFEO_DOOR void diffeo_destroy(Model* model) { delete model; }

DIFFEO_DOOR void diffeo_free(char* text) { std::free(text); }

DIFFEO_DOOR long diffeo_dim(const Model* model) { return model->num_params_r(); }

// One flat name a line, such as "P.1.2"; transformed parameters follow the parameters.
DIFFEO_DOOR char* diffeo_names(const Model* model, int transformed) {
  std::vector<std::string> names;
  model->constrained_param_names(names, transformed != 0, false);
  return copy_of(joined(names));
}

// Rows that failed; gradients may be null.
DIFFEO_DOOR long diffeo_evaluate(const Model* model, long n, long threads, const double* z,
                                 double* values, double* gradients, char** message) {
  const long workers = std::max(1L, std::min(threads, n / rows_per_thread));
  std::vector<Failures> failures(workers);
  std::vector<std::thread> running;
  const auto begin = [&](long worker) { return n * worker / workers; };
  for (long worker = 1; worker < workers; ++worker)
    running.emplace_back([&, worker] {
      evaluate(*model, begin(worker), begin(worker + 1), z, values, gradients, failures[worker]);
    });
  evaluate(*model, 0, begin(1), z, values, gradients, failures[0]);
  for (auto& thread : running) thread.join();
  Failures all;
  for (const auto& part : failures) {
    if (!all.rows) all.first = part.first;
    all.rows += part.rows;
  }
  return all.report(message);
}

// z: (n, dim) -> out: (n, width), width as many as there are names with transformed parameters.
DIFFEO_DOOR long diffeo_constrain(const Model* model, long n, long width, const double* z,
                                  double* out, char** message) {
  const long dim = model->num_params_r();
  Failures failures;
  for (long i = 0; i < n; ++i) {
    try {
      Eigen::VectorXd row = Map(z + i * dim, dim);
      constrain(*model, row, width, out + i * width);
    } catch (const std::exception& error) {
      failures.add(error.what());
    } catch (...) {
      failures.add("unknown C++ exception");
    }
  }
  return failures.report(message);
}

// values: (n, width), the parameters without transformed ones -> z: (n, dim).
DIFFEO_DOOR long diffeo_unconstrain(const Model* model, long n, long width, const double* values,
                                    double* z, char** message) {
  const long dim = model->num_params_r();
  Failures failures;
  for (long i = 0; i < n; ++i) {
    try {
      Eigen::VectorXd row;
      model->unconstrain_array(Map(values + i * width, width), row, nullptr);
      Eigen::Map<Eigen::VectorXd>(z + i * dim, dim) = row;
    } catch (const std::exception& error) {
      failures.add(error.what());
    } catch (...) {
      failures.add("unknown C++ exception");
    }
  }
  return failures.report(message);
}
